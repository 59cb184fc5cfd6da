import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# torch.nn.GroupNorm(2, 4) on the input itself, as PyTorch exports it
n = Net([1,4,3,3], 63); ints=lambda *v: n.const(np.array(v),dtype=np.int64)
n.then("Reshape", ints(1,2,-1)); n.then("InstanceNormalization", n.const([1,1]), n.const([0,0]))
n.then("Reshape", ints(1,4,3,3)); n.then("Mul", n.w(4,1,1)); n.conv(4,3,3); n.then("Flatten")
finish(n.model(out_shape=[1,3]), n.rng.standard_normal((64,4,3,3)).astype(np.float32), "group normalization first")
