import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# torch.nn.GRU(3, 4) in its own layout, [steps, 1, features], the last output taken; the exporter asks for the shape first
n = Net([5,1,3], 69); ints=lambda *v: n.const(np.array(v),dtype=np.int64)
size=n.op("Unsqueeze", n.op("Gather", n.op("Shape","x"), n.const(1,dtype=np.int64)), ints(0))
start=n.op("Expand", n.const(np.zeros((1,1,1))), n.op("Concat", ints(1), size, ints(4), axis=0))
y,_=n.op("GRU","x",n.w(1,12,3,scale=.6),n.w(1,12,4,scale=.6),n.w(1,24,scale=.3),"",start,out=["all","end"],hidden_size=4,linear_before_reset=1)
y=n.op("Squeeze","all",ints(1)); n.op("Gather",y,n.const(-1,dtype=np.int64),axis=0); n.op("Gemm",n.op("Reshape",n.last,ints(1,4)),n.w(3,4),n.w(3,scale=.1),transB=1)
finish(n.model(out_shape=[1,3]), n.rng.standard_normal((64,5,3)).astype(np.float32), "steps first", feed=lambda x: {"x": x[:,None]})
