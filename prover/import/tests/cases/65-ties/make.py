import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# numbers with few decimals, equal to thresholds as often as not: one feature against several, each against its own,
# one with four decimals, and at the jumps of Floor and Sign
n = Net([1,4], 65); ints=lambda *v: n.const(np.array(v),dtype=np.int64)
X=np.round(n.rng.uniform(2,4.5,(64,4)),1).astype(np.float32); X[:,3]=np.round(n.rng.uniform(3,5,64),4); X[:8,3]=np.float32(4.1271)
a=n.op("Gather","x",ints(0),axis=1); b=n.op("Gather","x",ints(3),axis=1); c=n.op("Gather","x",ints(1),axis=1)
parts=[n.op("Greater",a,n.const([[3.0,3.4,2.8]])), n.op("LessOrEqual",a,n.const([[3.0,3.4,2.8]])),
       n.op("Less","x",n.const([2.8,3.1,3.3,X[9,3]])), n.op("Less",b,n.const(np.float32(4.1271)))]
parts=[n.op("Cast",p,to=1) for p in parts]
parts+=[n.op("Floor",n.op("Neg",c)), n.op("Sign",n.op("Sub",c,n.const(np.float32(3.0))))]
n.op("Concat",*parts,axis=1)
finish(n.model(out_shape=[1,13]), X, "ties", classify=False)
