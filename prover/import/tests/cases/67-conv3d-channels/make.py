import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# a volume of two channels in its own shape, a pool over three axes, and the mean of what is left
n = Net([1,2,4,5,3], 67); n.conv(2,4,[2,2,2]); n.then("MaxPool",kernel_shape=[2,2,1],strides=[1,1,1]); n.then("GlobalAveragePool"); n.then("Flatten"); n.dense(4,3)
finish(n.model(out_shape=[1,3]), n.rng.standard_normal((64,2,4,5,3)).astype(np.float32), "volumes of several channels")
