# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Networks on tables, points and graphs."""
import torch
from torch import nn
from torch.nn import functional as F

from network import Network

NODES, EDGES, FEATURES = 96, 384, 24


class Dlrm(nn.Module):
    """Numbers through an MLP, categories as bags of embeddings, all pairs of products."""

    def __init__(self, tables=(300, 200, 100), width=16):
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, width), nn.ReLU())
        self.bags = nn.ModuleList(nn.EmbeddingBag(n, width, mode="sum") for n in tables)
        pairs = (len(tables) + 1) * len(tables) // 2
        self.top = nn.Sequential(nn.Linear(width + pairs, 64), nn.ReLU(), nn.Linear(64, 1))
        rows, columns = torch.tril_indices(len(tables) + 1, len(tables) + 1, offset=-1)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, numbers, a, b, c):
        x = self.bottom(numbers)
        y = torch.stack([x, *(bag(ids) for bag, ids in zip(self.bags, (a, b, c)))], 1)
        products = torch.bmm(y, y.transpose(1, 2))[:, self.rows, self.columns]
        return self.top(torch.cat([x, products], 1))


class PointNet(nn.Module):
    """Points through shared layers with BatchNorm, a learned transform, the maximum over points."""

    class Trunk(nn.Module):
        def __init__(self, inputs, widths):
            super().__init__()
            layers = []
            for outputs in widths:
                layers += [nn.Conv1d(inputs, outputs, 1), nn.BatchNorm1d(outputs), nn.ReLU()]
                inputs = outputs
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            return self.layers(x).amax(2)

    def __init__(self, classes=10):
        super().__init__()
        self.align, self.turn = self.Trunk(3, (32, 64)), nn.Linear(64, 9)
        self.trunk = self.Trunk(3, (32, 64, 128))
        self.head = nn.Sequential(nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, points):
        turn = self.turn(self.align(points)).reshape(-1, 3, 3) + torch.eye(3)
        return self.head(self.trunk(torch.bmm(turn, points)))


class GraphConvolution(nn.Module):
    """Messages along edges, added at their ends, divided by the degree: by index_add, of which
    TorchScript's exporter writes a ScatterElements without a sum (and warns), so there by scatter_add."""

    class Layer(nn.Module):
        def __init__(self, inputs, outputs, scatters):
            super().__init__()
            self.scatters = scatters
            self.own, self.message = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

        def add(self, nodes, end, sent):
            total = torch.zeros(nodes, sent.shape[1], dtype=sent.dtype)
            if self.scatters:
                return total.scatter_add(0, end[:, None].expand(-1, sent.shape[1]), sent)
            return total.index_add(0, end, sent)

        def forward(self, x, edges):
            source, end = edges[0], edges[1]
            total = self.add(x.shape[0], end, self.message(x)[source])
            degree = self.add(x.shape[0], end, torch.ones(edges.shape[1], 1, dtype=x.dtype))
            return self.own(x) + total / degree.clamp(min=1)

    def __init__(self, scatters=False, width=48, classes=6):
        super().__init__()
        self.first = self.Layer(FEATURES, width, scatters)
        self.second = self.Layer(width, width, scatters)
        self.head = nn.Linear(width, classes)

    def forward(self, x, edges):
        return self.head(F.relu(self.second(F.relu(self.first(x, edges)), edges)))


class GraphAttention(nn.Module):
    """A softmax over each node's incoming edges: scatter with maximum and sum, as PyG computes it."""

    class Layer(nn.Module):
        def __init__(self, inputs, heads, width):
            super().__init__()
            self.heads, self.width = heads, width
            self.project = nn.Linear(inputs, heads * width, bias=False)
            self.source = nn.Parameter(torch.randn(heads, width))
            self.end = nn.Parameter(torch.randn(heads, width))
            self.bias = nn.Parameter(torch.zeros(heads * width))

        def forward(self, x, edges):
            source, end = edges[0], edges[1]
            nodes = x.shape[0]
            h = self.project(x).reshape(nodes, self.heads, self.width)
            score = (h * self.source).sum(-1)[source] + (h * self.end).sum(-1)[end]
            score = F.leaky_relu(score, 0.2)
            index = end[:, None].expand(-1, self.heads)
            zeros = torch.zeros(nodes, self.heads, dtype=score.dtype)
            lowest = torch.full((nodes, self.heads), -30.0, dtype=score.dtype)
            most = lowest.scatter_reduce(0, index, score.detach(), "amax")
            weight = torch.exp(score - most[end])
            total = zeros.to(weight.dtype).scatter_add(0, index, weight)
            weight = (weight / (total[end] + 1e-16)).unsqueeze(-1)
            sent = (h[source] * weight).reshape(-1, self.heads * self.width)
            index = end[:, None].expand(-1, self.heads * self.width)
            out = torch.zeros(nodes, self.heads * self.width, dtype=sent.dtype)
            return out.scatter_add(0, index, sent) + self.bias

    def __init__(self, classes=6):
        super().__init__()
        self.first, self.second = self.Layer(FEATURES, 4, 12), self.Layer(48, 2, 24)
        self.head = nn.Linear(48, classes)

    def forward(self, x, edges):
        return self.head(F.elu(self.second(F.elu(self.first(x, edges)), edges)))


GRAPH = {"x": ("floats", (NODES, FEATURES), 1.0), "edges": ("ids", (2, EDGES), NODES)}
SIZES = {"x": {0: "nodes"}, "edges": {1: "edges"}}
NETWORKS = [
    Network("dlrm", Dlrm, {"numbers": ("floats", (8, 13), 1.0), "a": ("ids", (8, 4), 300),
                           "b": ("ids", (8, 3), 200), "c": ("ids", (8, 6), 100)},
            ("bits", (8, 1), 0.5), "bce_with_logits", lr=0.12),
    Network("pointnet", PointNet, {"points": ("points", (8, 3, 128), 1.0)}, ("ids", (8,), 10),
            "cross_entropy", lr=0.003, sets=2),
    Network("gnn_index_add", GraphConvolution, GRAPH, ("ids", (NODES,), 6), "cross_entropy", lr=0.15,
            sets=1, open_sizes=SIZES, make_for_script=lambda: GraphConvolution(scatters=True)),
    Network("gnn_scatter", GraphAttention, GRAPH, ("ids", (NODES,), 6), "cross_entropy", lr=0.55,
            sets=1, open_sizes=SIZES),
]
