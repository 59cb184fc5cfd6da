import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# torch.nn.ChannelShuffle(2) on the input itself: the array has the very shape that the graph stores
n = Net([1,4,3,3], 61); ints=lambda *v: n.const(np.array(v),dtype=np.int64)
n.then("Reshape", ints(1,2,2,3,3)); n.then("Transpose", perm=[0,2,1,3,4]); n.then("Reshape", ints(1,4,3,3))
n.conv(4,3,2); n.then("Relu"); n.then("Flatten"); n.dense(12,5)
finish(n.model(out_shape=[1,5]), n.rng.standard_normal((64,4,3,3)).astype(np.float32), "channel shuffle first")
