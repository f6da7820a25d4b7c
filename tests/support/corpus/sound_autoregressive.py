"""Sound autoregressive layers: MAF, IAF, chains of them, conditional MADE, pixel-wise order."""

import torch
from torch import nn
from torch.nn.functional import linear

import invbench


class Made(nn.Module):
    """One hidden layer; outputs (shift, log-scale) of element i read the elements before i."""

    def __init__(self, dim=5, hidden=20, cond=0, order=None):
        super().__init__()
        rank = torch.arange(dim) if order is None else torch.as_tensor(order)
        degree = torch.arange(hidden) % dim - 1  # −1: units that see the condition alone
        self.register_buffer("rank", rank)
        self.register_buffer("into", (degree[:, None] >= rank[None]).float())
        self.register_buffer("out", (rank[:, None] > degree[None]).float().repeat(2, 1))
        self.first = nn.Parameter(torch.randn(hidden, dim) / 2)
        self.last = nn.Parameter(torch.randn(2 * dim, hidden) / 4)
        self.bias = nn.Parameter(torch.randn(2 * dim) / 4)
        self.context = nn.Linear(cond, hidden) if cond else None

    def heads(self, x, cond=None):
        hidden = linear(x, self.first * self.into)
        if cond is not None:
            hidden = hidden + self.context(cond)
        shift, log_scale = linear(hidden.tanh(), self.last * self.out, self.bias).chunk(2, 1)
        return shift, log_scale.tanh()

    def one_by_one(self, v, cond, towards_data):
        """Solves for the elements in the order of their ranks."""
        known = torch.zeros_like(v)
        for i in self.rank.argsort().tolist():
            shift, a = self.heads(known, cond)
            new = v[:, i] * a[:, i].exp() + shift[:, i]
            if not towards_data:
                new = (v[:, i] - shift[:, i]) * (-a[:, i]).exp()
            known = torch.cat((known[:, :i], new[:, None], known[:, i + 1 :]), 1)
        return known, self.heads(known, cond)[1].sum(1)


class Maf(Made):
    """z = (x − m(x))·exp(−a(x)): one pass towards noise, one per element towards data."""

    def forward(self, x, cond=None):
        shift, a = self.heads(x, cond)
        return (x - shift) * (-a).exp(), -a.sum(1)

    def inverse(self, z, cond=None):
        return self.one_by_one(z, cond, towards_data=True)


class Iaf(Made):
    """x = z·exp(a(z)) + m(z): one pass towards data."""

    def forward(self, x, cond=None):
        z, log_det = self.one_by_one(x, cond, towards_data=False)
        return z, -log_det

    def inverse(self, z, cond=None):
        shift, a = self.heads(z, cond)
        return z * a.exp() + shift, a.sum(1)


class Stack(nn.Module):
    """Layers with the elements reversed between them."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, cond=None):
        total = 0.0
        for layer in self.layers:
            x, log_det = layer(x, cond)
            x, total = x.flip(1), total + log_det
        return x, total

    def inverse(self, z, cond=None):
        total = 0.0
        for layer in reversed(self.layers):
            z, log_det = layer.inverse(z.flip(1), cond)
            total = total + log_det
        return z, total


class OneElement(Made):
    """A conditional flow of one element: only the condition sets shift and scale."""

    def forward(self, x, cond):
        shift, a = self.heads(x, cond)
        return (x - shift) * (-a).exp(), -a.sum(1)

    def inverse(self, z, cond):
        shift, a = self.heads(z, cond)
        return z * a.exp() + shift, a.sum(1)


@invbench.layer("c-maf", event_shape=(5,), order=(0, 1, 2, 3, 4))
def maf(seed):
    return Maf()


@invbench.layer("c-maf-permuted", event_shape=(5,), order=(3, 0, 4, 1, 2))
def maf_permuted(seed):
    """The element of rank 0 is number 3, then 0, 4, 1, 2."""
    return Maf(order=(1, 3, 4, 0, 2))


@invbench.layer("c-maf-2-undeclared", event_shape=(5,))
def maf_2(seed):
    return Stack(Maf(), Maf())


@invbench.layer("c-maf-4-undeclared", event_shape=(5,))
def maf_4(seed):
    return Stack(*(Maf() for _ in range(4)))


@invbench.layer("c-maf-8-undeclared", event_shape=(5,))
def maf_8(seed):
    return Stack(*(Maf() for _ in range(8)))


@invbench.layer("c-iaf-undeclared", event_shape=(5,))
def iaf(seed):
    return Iaf()


@invbench.layer("c-iaf-2", event_shape=(5,))
def iaf_2(seed):
    return Stack(Iaf(), Iaf())


@invbench.layer("c-maf-conditional", event_shape=(5,), cond_shape=(3,), order=(0, 1, 2, 3, 4))
def maf_conditional(seed):
    return Maf(cond=3)


@invbench.layer("c-maf-conditional-2-undeclared", event_shape=(5,), cond_shape=(3,))
def maf_conditional_2(seed):
    return Stack(Maf(cond=3), Maf(cond=3))


@invbench.layer("c-maf-one-element-undeclared", event_shape=(1,), cond_shape=(2,))
def maf_one_element(seed):
    return OneElement(dim=1, hidden=8, cond=2)
