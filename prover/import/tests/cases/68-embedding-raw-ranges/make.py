import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# an embedding joined with a ratio and an amount of money, as they are
n = Net([1,1], 68, name="id", elem=T.INT64); n.inputs.append(h.make_tensor_value_info("num",T.FLOAT,[1,2]))
e=n.op("Gather", n.w(50,4,scale=1.5), "id"); e=n.op("Reshape", e, n.const([1,4],dtype=np.int64))
n.op("Concat", e, "num", axis=1); w=n.rng.standard_normal((6,16)); w[5]/=15000
n.then("Gemm", n.const(w), n.const(n.rng.standard_normal(16)*.1-40000*w[5])); n.then("Relu"); n.then("MatMul", n.w(16,3))
num=np.stack([n.rng.standard_normal(96), 40000+15000*n.rng.standard_normal(96)],1).astype(np.float32)
several(n.model(out_shape=[1,3]), {"id": n.rng.integers(0,50,(96,1)), "num": num}, "an embedding beside raw features")
