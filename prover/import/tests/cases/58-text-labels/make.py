import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# MLPClassifier with labels of text by skl2onnx, default options: ZipMap, and an ArrayFeatureExtractor of texts
from sklearn.datasets import load_iris; from sklearn.neural_network import MLPClassifier; from skl2onnx import to_onnx
X,y=load_iris(return_X_y=True); X=X.astype(np.float32); p=np.random.default_rng(0).permutation(150); X,y=X[p],y[p]
c=MLPClassifier((8,),max_iter=2000,random_state=0).fit(X,np.array(["setosa","versicolor","virginica"])[y])
m=to_onnx(c,X[:1],target_opset=17); d=os.path.dirname(os.path.abspath(__file__)); open(d+"/model.onnx","wb").write(m.SerializeToString())
s=ort.InferenceSession(d+"/model.onnx"); L=[s.run(["output_label"],{"X":x[None]})[0][0] for x in X[:64]]
C=[c.classes_.tolist().index(l) for l in L]
np.savez(d+"/calib.npz",X=X[:64]); np.savez(d+"/test.npz",X=X[:64]); json.dump({"logits":[[k] for k in C],"class":C},open(d+"/expected.json","w"))
