import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# an LSTM whose gates see the memory and are clipped: what is clipped is the sum of all of it
n = Net([1,6,3], 73); H=5
n.op("Transpose","x",perm=[1,0,2])
n.op("LSTM",n.last,n.w(1,4*H,3,scale=1.2),n.w(1,4*H,H,scale=.9),n.w(1,8*H,scale=.3),"","","",n.w(1,3*H,scale=1.5),out=["","h"],hidden_size=H,clip=0.7)
n.last="h"; n.op("Squeeze","h",n.const(np.array([0]),dtype=np.int64)); n.dense(H,3)
finish(n.model(out_shape=[1,3]), n.rng.standard_normal((160,6,3)).astype(np.float32), "clipped peepholes")
