import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# KMeans by skl2onnx, default options: the label is the nearest centre
from sklearn.datasets import load_iris; from sklearn.cluster import KMeans; from skl2onnx import to_onnx
X,_=load_iris(return_X_y=True); X=X.astype(np.float32)[np.random.default_rng(0).permutation(150)]
finish(to_onnx(KMeans(4,n_init=3,random_state=0).fit(X),X[:1],target_opset=17), X[:64], "kmeans", pick=0, classify=True)
