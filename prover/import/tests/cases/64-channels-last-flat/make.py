import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# an image with channels last, as TensorFlow has it, given as flat rows in the file's order
n = Net([1,4,5,3], 64); n.then("Transpose", perm=[0,3,1,2]); n.conv(3,4,2); n.then("Relu"); n.then("Flatten"); n.dense(48,4)
finish(n.model(out_shape=[1,4]), n.rng.standard_normal((64,60)).astype(np.float32), "channels last, flat",
       feed=lambda x: {"x": x.reshape(1,4,5,3)})
