import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# torch: nn.Embedding(50, 6) of seven ids, their mean, joined with three real numbers
n = Net([1,7], 66, name="ids", elem=T.INT64); n.inputs.append(h.make_tensor_value_info("num",T.FLOAT,[1,3]))
n.op("Gather", n.w(50,6,scale=1), "ids"); n.then("ReduceMean", axes=[1], keepdims=0); n.op("Concat", n.last, "num", axis=1)
n.dense(9,16); n.then("Relu"); n.dense(16,2)
several(n.model(out_shape=[1,2]), {"ids": n.rng.integers(0,50,(96,7)), "num": n.rng.standard_normal((96,3)).astype(np.float32)}, "ids beside reals")
