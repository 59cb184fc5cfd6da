import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# features of ranges from 0.01 to 20,000 behind a Relu, as a network without a scaler has them
n = Net([1,6], 54); s=np.array([1,1000,.01,50,20000,3],np.float32); n.then("Relu")
w=n.rng.standard_normal((6,3))*.5/s[:,None]; n.then("Gemm",n.const(w),n.const(n.rng.standard_normal(3)*.1))
X=(n.rng.standard_normal((64,6))*s).astype(np.float32)
finish(n.model(out_shape=[1,3]), X, "features behind a Relu")
