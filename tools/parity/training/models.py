"""The models of the training comparison in plain PyTorch: housecat's default pixel model and LeWorldModel's.

Each has `loss(pixels [B, T, 3, h, w], actions [B, T - 1, block])`. A batch of 4-frame windows is what a step sees.
"""

import torch
from torch import nn
from torch.nn import functional as F


def sigreg(latents, projections, knots):
    """SIGReg (LeJEPA, arXiv 2511.08544) of latents [T, B, D], by group of time steps."""
    axes = torch.randn(latents.shape[-1], projections)
    axes = axes / axes.norm(dim=0)
    t = torch.linspace(0, 3, knots)
    normal = torch.exp(-0.5 * t * t)
    weights = torch.full((knots,), 6 / (knots - 1))
    weights[0] = weights[-1] = 3 / (knots - 1)
    x = (latents @ axes).unsqueeze(-1) * t
    error = (x.cos().mean(1) - normal).square() + x.sin().mean(1).square()
    return (error @ (weights * normal)).mean() * latents.shape[1]


class Keypoint(nn.Module):
    """Three convolutions, a map per keypoint, soft-argmax, and a linear map beside a perceptron."""

    def __init__(self, keypoints=32, hidden=256, d=32):
        super().__init__()

        def block(inputs, outputs, kernel, stride, padding):
            return [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        self.maps = nn.Sequential(*block(3, 16, 8, 4, 2), *block(16, 32, 3, 1, 1), *block(32, 32, 3, 1, 1),
                                  nn.Conv2d(32, keypoints, 1), nn.BatchNorm2d(keypoints))
        self.log_temperature = nn.Parameter(torch.zeros(1))
        self.positions = nn.BatchNorm1d(2 * keypoints)
        self.direct = nn.Linear(2 * keypoints, d)
        self.hidden = nn.Sequential(nn.Linear(2 * keypoints, hidden), nn.SiLU(), nn.Linear(hidden, d))
        self.norm = nn.BatchNorm1d(d, affine=False)

    def forward(self, x):
        maps = self.maps(x).float()
        h, w = maps.shape[2:]
        weights = (maps.flatten(2) * self.log_temperature.exp()).softmax(-1).view_as(maps)
        xs = (weights.sum(2) * torch.linspace(-1, 1, w)).sum(-1)
        ys = (weights.sum(3) * torch.linspace(-1, 1, h)).sum(-1)
        p = self.positions(torch.cat([xs, ys], 1))
        return self.norm(self.direct(p) + self.hidden(p))


class TwoRoom(nn.Module):
    """What sims/two-room/train.toml configures: next latent, 3-block rollout, SIGReg."""

    def __init__(self, d=32, hidden=256, action=32, block=10):
        super().__init__()
        self.encoder = Keypoint(d=d)
        self.action = nn.Linear(block, action)
        self.predictor = nn.Sequential(nn.Linear(2 * (d + action), hidden), nn.SiLU(), nn.Linear(hidden, hidden),
                                       nn.SiLU(), nn.Linear(hidden, d))

    def predict(self, z, e, change, before):
        return z + self.predictor(torch.cat([z, e, change, before], -1))

    def loss(self, pixels, actions):
        b, t = pixels.shape[:2]
        z = self.encoder(pixels.transpose(0, 1).flatten(0, 1)).view(t, b, -1)
        e = self.action(actions.transpose(0, 1))
        seen = (torch.rand(t - 1, b, 1) >= 0.15).float()
        seen[0] = 0
        change = torch.cat([torch.zeros_like(z[:1]), z[1:-1] - z[:-2]]) * seen
        before = torch.cat([torch.zeros_like(e[:1]), e[:-1]]) * seen
        forced = self.predict(z[:-1], e, change, before)
        path = [z[0]]
        for i in range(t - 1):
            change, before = (path[-1] - path[-2], e[i - 1]) if i else (torch.zeros_like(z[0]), torch.zeros_like(e[0]))
            path.append(self.predict(path[-1], e[i], change, before))
        return (F.mse_loss(forced.float(), z[1:].float()) + F.mse_loss(torch.stack(path[1:]).float(), z[1:].float())
                + 0.5 * sigreg(z.float(), 128, 17))


class Attention(nn.Module):
    def __init__(self, d, heads, head_dim, bias, causal, dropout):
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.qkv = nn.Linear(d, 3 * heads * head_dim, bias=bias)
        self.out = nn.Linear(heads * head_dim, d)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal,
                                           dropout_p=self.dropout if self.training else 0.0)
        return F.dropout(self.out(y.transpose(1, 2).flatten(2)), self.dropout, self.training)


def perceptron(d, hidden, dropout):
    return nn.Sequential(nn.Linear(d, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, d), nn.Dropout(dropout))


class ViT(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021) of tiny width; its class token is the latent."""

    def __init__(self, image, patch, d=192, depth=12, heads=3):
        super().__init__()
        self.patch = nn.Conv2d(3, d, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, d))
        self.positions = nn.Parameter(0.02 * torch.randn(1, (image // patch) ** 2 + 1, d))
        self.blocks = nn.ModuleList(nn.ModuleList([
            nn.LayerNorm(d, eps=1e-12), Attention(d, heads, d // heads, True, False, 0.0),
            nn.LayerNorm(d, eps=1e-12), perceptron(d, 4 * d, 0.0)]) for _ in range(depth))
        self.norm = nn.LayerNorm(d, eps=1e-12)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        for norm1, attention, norm2, mlp in self.blocks:
            x = x + attention(norm1(x))
            x = x + mlp(norm2(x))
        return self.norm(x)[:, 0]


class Conditional(nn.Module):
    """A causal block conditioned by AdaLN-zero (Peebles & Xie 2023)."""

    def __init__(self, d, heads, head_dim, mlp, dropout):
        super().__init__()
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))
        self.plain = nn.LayerNorm(d, eps=1e-6, elementwise_affine=False)
        self.norm1, self.attention = nn.LayerNorm(d), Attention(d, heads, head_dim, False, True, dropout)
        self.norm2, self.mlp = nn.LayerNorm(d), perceptron(d, mlp, dropout)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c).chunk(6, -1)
        x = x + gate1 * self.attention(self.norm1(self.plain(x) * (1 + scale1) + shift1))
        return x + gate2 * self.mlp(self.norm2(self.plain(x) * (1 + scale2) + shift2))


def projection(d, hidden):
    return nn.Sequential(nn.Linear(d, hidden), nn.BatchNorm1d(hidden), nn.GELU(), nn.Linear(hidden, d))


class LeWM(nn.Module):
    """LeWorldModel (arXiv 2603.19312) in the sizes of stable-worldmodel 0.1.1: next latent and SIGReg."""

    def __init__(self, image, patch, encoder_depth=12, d=192, depth=6, heads=16, head_dim=64, mlp=2048, history=3,
                 block=10):
        super().__init__()
        self.encoder = ViT(image, patch, d, encoder_depth)
        self.project = projection(d, mlp)
        self.action = nn.Sequential(nn.Linear(block, 10), nn.Linear(10, 4 * d), nn.SiLU(), nn.Linear(4 * d, d))
        self.positions = nn.Parameter(torch.randn(1, history, d))
        self.blocks = nn.ModuleList(Conditional(d, heads, head_dim, mlp, 0.1) for _ in range(depth))
        self.norm = nn.LayerNorm(d)
        self.predicted = projection(d, mlp)

    def loss(self, pixels, actions):
        b, t = pixels.shape[:2]
        z = self.project(self.encoder(pixels.flatten(0, 1))).view(b, t, -1)
        x, c = z[:, :-1] + self.positions, self.action(actions)
        for block in self.blocks:
            x = block(x, c)
        forced = self.predicted(self.norm(x).flatten(0, 1)).view(b, t - 1, -1)
        return F.mse_loss(forced.float(), z[:, 1:].float()) + 0.09 * sigreg(z.float().transpose(0, 1), 1024, 17)


# Builder, image side. `lewm-small` is a model a user of two cores might choose.
MODELS = {
    "two-room": (TwoRoom, 64),
    "lewm-small": (lambda: LeWM(64, 8, encoder_depth=4, depth=2, heads=4, head_dim=48, mlp=768), 64),
    "lewm-64": (lambda: LeWM(64, 8), 64),
    "lewm-224": (lambda: LeWM(224, 14), 224),
}
