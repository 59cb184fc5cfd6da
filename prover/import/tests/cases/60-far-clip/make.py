import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# years, far from 0 and clipped there, beside numbers around it that the Clip never reaches from below
n = Net([1,4], 60); s=np.array([12,.05,90,400],np.float32); m=np.array([2000,0,0,0],np.float32)
n.then("Clip", n.const(np.float32(-300)), n.const(np.float32(2010)))
w=n.rng.standard_normal((4,3))/s[:,None]; n.then("Gemm",n.const(w),n.const(n.rng.standard_normal(3)*.1-2000*w[0]))
X=(n.rng.standard_normal((64,4))*s+m).astype(np.float32)
finish(n.model(out_shape=[1,3]), X, "years behind a Clip")
