import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# a text's mean embedding over its ids that are not 0, the padding
n = Net([1,8], 72, elem=T.INT64); ints=lambda v: n.const(np.array(v),dtype=np.int64)
e=n.op("Gather",n.w(50,6,scale=1.0),"x",axis=0)
m=n.op("Cast",n.op("Not",n.op("Equal","x",ints(0))),to=1)
s=n.op("ReduceSum",n.op("Mul",e,n.op("Unsqueeze",m,ints([2]))),ints([1]),keepdims=0)
c=n.op("Clip",n.op("ReduceSum",m,ints([1]),keepdims=1),n.const(np.float32(1)))
n.op("Div",s,c); n.dense(6,3)
X=n.rng.integers(1,50,(160,8))
for row,length in zip(X,n.rng.integers(1,9,160)): row[length:]=0
several(n.model(out_shape=[1,3]), {"x": X.astype(np.int64)}, "padded texts")
