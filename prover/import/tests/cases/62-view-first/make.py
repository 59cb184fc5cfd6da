import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# x.reshape(1, 6, 4) of an image before a layer over its last axis
n = Net([1,2,3,4], 62); n.then("Reshape", n.const([1,6,4],dtype=np.int64))
n.then("MatMul", n.w(4,2)); n.then("Relu"); n.then("Flatten"); n.dense(12,4)
finish(n.model(out_shape=[1,4]), n.rng.standard_normal((64,2,3,4)).astype(np.float32), "a view first")
