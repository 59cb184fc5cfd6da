import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# features of ranges from 0.01 to 40 behind a Clip at -2 and 12, which most of them never reach
n = Net([1,6], 59); s=np.array([1,20,.01,5,40,3],np.float32)
n.then("Clip", n.const(np.float32(-2)), n.const(np.float32(12)))
w=n.rng.standard_normal((6,3))*.5/np.minimum(s,6)[:,None]; n.then("Gemm",n.const(w),n.const(n.rng.standard_normal(3)*.1))
X=(n.rng.standard_normal((64,6))*s).astype(np.float32)
finish(n.model(out_shape=[1,3]), X, "features behind a Clip")
