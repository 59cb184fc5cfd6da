import sys,os; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import *
# as LightGBM's classifiers are exported: a softmax that is not the end, as its numbers are multiplied by 1; thresholds are numbers of the data
rng=np.random.default_rng(70); X=np.round(rng.uniform(0,2,(64,5)),2).astype(np.float32)
nodes=dict(nodes_treeids=[],nodes_nodeids=[],nodes_featureids=[],nodes_values=[],nodes_modes=[],nodes_truenodeids=[],nodes_falsenodeids=[])
leaves=dict(class_treeids=[],class_nodeids=[],class_ids=[],class_weights=[])
for tree in range(9):
    for node in range(7):
        inner=node<3; f=int(rng.integers(0,5))
        for key,value in zip(nodes,[tree,node,f if inner else 0,float(X[int(rng.integers(0,12)),f]) if inner else 0.,("BRANCH_LT" if tree%2 else "BRANCH_LEQ") if inner else "LEAF",2*node+1 if inner else 0,2*node+2 if inner else 0]): nodes[key].append(value)
        if not inner:
            for key,value in zip(leaves,[tree,node,tree%3,float(rng.standard_normal())]): leaves[key].append(value)
n=Net([1,5],70); n.extra_opsets=[h.make_opsetid("ai.onnx.ml",3)]
n.op("TreeEnsembleClassifier","x",out=["l","p"],domain="ai.onnx.ml",post_transform="SOFTMAX",classlabels_int64s=[0,1,2],**nodes,**leaves)
n.op("Cast","l",out="label",to=7); n.op("Mul","p",n.const(np.float32(1)),out="probabilities")
outs=[h.make_tensor_value_info("label",T.INT64,[1]),h.make_tensor_value_info("probabilities",T.FLOAT,[1,3])]
finish(n.model(outputs=outs), X, "probabilities that are scaled", pick=1)
