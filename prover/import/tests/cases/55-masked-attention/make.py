import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# attention over six tokens with a mask of integers as second input, as exports of transformers have it
n = Net([1,6,4], 55); n.inputs.append(h.make_tensor_value_info("mask",T.INT64,[1,6]))
q,k,v=[n.op("MatMul","x",n.w(4,4,scale=.7)) for _ in range(3)]; k=n.op("Transpose",k,perm=[0,2,1]); s=n.op("MatMul",q,k)
m=n.op("Cast","mask",to=T.FLOAT); m=n.op("Unsqueeze",m,n.const([1],dtype=np.int64)); m=n.op("Sub",n.const(1.0),m); m=n.op("Mul",m,n.const(-10000.0))
n.op("Add",s,m); p=n.then("Softmax",axis=-1); n.op("MatMul",p,v); n.then("ReduceMean",axes=[1],keepdims=0); n.dense(4,3)
X=n.rng.standard_normal((64,24)).astype(np.float32); M=np.arange(6)[None]<n.rng.integers(1,7,64)[:,None]
feed=lambda x:{"x":x[:24].reshape(1,6,4).astype(np.float32),"mask":x[24:].reshape(1,6).astype(np.int64)}
finish(n.model(out_shape=[1,3]), np.concatenate([X,M],1).astype(np.float32), "masked attention", feed=feed)
