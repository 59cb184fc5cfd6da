import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# integers divided by integers, as `age // 10`: ONNX cuts the quotient off; negative ones too
n = Net([1,4], 71, elem=T.INT64)
d=n.op("Div","x",n.const([10,12,5,4],dtype=np.int64)); n.op("Cast",d,to=1); n.dense(4,12); n.then("Relu"); n.dense(12,3)
X=n.rng.integers(0,100,(160,4)); X[:,3]=n.rng.integers(-60,60,160); X[:6]=[[10,12,5,4],[9,11,4,-4],[20,24,10,-3],[0,0,0,0],[99,95,95,-5],[50,60,50,8]]
several(n.model(out_shape=[1,3]), {"x": X.astype(np.int64)}, "bucketed integers")
