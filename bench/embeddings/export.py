"""Writes a BERT checkpoint as ONNX, for run.py: python bench/embeddings/export.py MODEL_FOLDER model.onnx. Needs torch, transformers."""
import sys

import torch
from transformers import AutoModel


class Hidden(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


model = AutoModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
ids = torch.ones(2, 9, dtype=torch.long)
torch.onnx.export(Hidden(model), (ids, ids), sys.argv[2], input_names=["input_ids", "attention_mask"],
                  output_names=["hidden"], dynamo=False, opset_version=17,
                  dynamic_axes={name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask", "hidden")})
