import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# SVC with a linear kernel on raw features of different ranges, by skl2onnx, default options
from sklearn.datasets import load_wine; from sklearn.svm import SVC; from skl2onnx import to_onnx
X,y=load_wine(return_X_y=True); X=X.astype(np.float32); p=np.random.default_rng(0).permutation(len(X)); X,y=X[p],y[p]
finish(to_onnx(SVC(kernel="linear").fit(X,y),X[:1],target_opset=17), X[:64], "linear SVC", pick=0, classify=True)
