# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Networks on sequences: transformers' own classes, and recurrent classifiers."""
import torch
from torch import nn

from network import Network

VOCABULARY, LENGTH, WIDTH = 200, 32, 64
# Not 0: the padding token, whose row PyTorch does not train, which no ONNX file tells.
IDS = ("tokens", (8, LENGTH), VOCABULARY)


class Field(nn.Module):
    """One field of a transformer's result. A causal mask may be given as the module's own constant,
    which TorchScript's exporter needs: transformers 5 makes it by torch.vmap."""

    def __init__(self, model, field, keys, causal_mask=False):
        super().__init__()
        self.model, self.field, self.keys = model, field, keys
        if causal_mask:
            lowest = torch.finfo(torch.float32).min
            mask = torch.full((LENGTH, LENGTH), lowest).triu(1)[None, None]
            self.register_buffer("mask", mask, persistent=False)

    def forward(self, *inputs):
        arguments = dict(zip(self.keys, inputs, strict=True)) | {"return_dict": True}
        if hasattr(self, "mask"):
            arguments["attention_mask"] = self.mask.to(self.model.dtype)
        if self.field == "logits" and hasattr(self.model.config, "use_cache"):
            arguments["use_cache"] = False
        return getattr(self.model(**arguments), self.field)


def bert():
    from transformers import BertConfig, BertForSequenceClassification
    return Field(BertForSequenceClassification(BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=LENGTH, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, num_labels=4)), "logits", ["input_ids"])


def distilbert():
    from transformers import DistilBertConfig, DistilBertForSequenceClassification
    return Field(DistilBertForSequenceClassification(DistilBertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=LENGTH, n_layers=3, n_heads=4, dim=WIDTH,
        hidden_dim=128, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0, num_labels=4,
        attn_implementation="eager")), "logits", ["input_ids", "attention_mask"])


def gpt2(causal_mask=False):
    from transformers import GPT2Config, GPT2LMHeadModel
    return Field(GPT2LMHeadModel(GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=WIDTH, n_layer=3, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager")), "logits", ["input_ids"],
        causal_mask)


def llama(causal_mask=False):
    from transformers import LlamaConfig, LlamaForCausalLM
    return Field(LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=160, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=LENGTH,
        attn_implementation="eager")), "logits", ["input_ids"], causal_mask)


class T5(nn.Module):
    """Encoder and decoder; TorchScript's exporter gets masks that are constants."""

    def __init__(self, masks=False):
        super().__init__()
        from transformers import T5Config, T5ForConditionalGeneration
        self.model = T5ForConditionalGeneration(T5Config(
            vocab_size=VOCABULARY, d_model=WIDTH, d_kv=16, d_ff=128, num_layers=2, num_heads=4,
            dropout_rate=0.0, attn_implementation="eager"))
        self.masks = masks
        lowest = torch.finfo(torch.float32).min
        self.register_buffer("causal", torch.full((LENGTH, LENGTH), lowest).triu(1)[None, None],
                             persistent=False)
        self.register_buffer("open", torch.zeros(1, 1, LENGTH, LENGTH), persistent=False)

    def forward(self, source, decoded):
        masks = {"attention_mask": self.open, "decoder_attention_mask": self.causal} if self.masks else {}
        return self.model(input_ids=source, decoder_input_ids=decoded, use_cache=False,
                          return_dict=True, **masks).logits


class Recurrent(nn.Module):
    """Two layers, the first in both directions; the class from the last state."""

    def __init__(self, cell, hidden=48):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 32)
        self.first = cell(32, hidden, batch_first=True, bidirectional=True)
        self.second = cell(2 * hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 4)

    def forward(self, ids):
        y, _ = self.first(self.embedding(ids))
        y, _ = self.second(y)
        return self.head(y[:, -1])


CLASS = ("ids", (8,), 4)
NETWORKS = [
    Network("bert", bert, {"ids": IDS}, CLASS, "cross_entropy", lr=0.01),
    Network("distilbert", distilbert, {"ids": IDS, "attention": ("mask", (8, LENGTH), 4)}, CLASS,
            "cross_entropy", lr=0.004),
    Network("gpt2", gpt2, {"ids": IDS}, IDS, "cross_entropy", lr=0.2, class_axis=-1,
            make_for_script=lambda: gpt2(True)),
    Network("llama", llama, {"ids": IDS}, IDS, "cross_entropy", lr=0.045, class_axis=-1,
            make_for_script=lambda: llama(True)),
    Network("t5", T5, {"source": IDS, "decoded": IDS}, IDS, "cross_entropy", lr=0.11, class_axis=-1, sets=2,
            gains={r"\.q\.weight": 0.25, "shared": 10.0},
            make_for_script=lambda: T5(True)),
    Network("lstm", lambda: Recurrent(nn.LSTM), {"ids": IDS}, CLASS, "cross_entropy", lr=0.0015,
            optimizer="adam"),
    Network("gru", lambda: Recurrent(nn.GRU), {"ids": IDS}, CLASS, "cross_entropy", lr=0.0015,
            optimizer="adam"),
]
