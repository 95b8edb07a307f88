#!/usr/bin/env python3
"""Speed of the same training step in PyTorch eager mode, for comparison (Debian: python3-torch).

A Mixtral as Hugging Face's eager code computes it: RMSNorm, rotary positions, grouped-query attention with an explicit causal mask,
top-2 of 8 SwiGLU experts in a Python loop with index_add_, cross-entropy, AdamW, gradient clipping.
Prints one line of JSON: tokens_per_s at each thread count (fastest step) and the best of them.
usage: bench_torch.py [seconds per thread count]
"""
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

C, L, E, K, I, H, KV, V, B, T = 128, 4, 8, 2, 256, 4, 2, 256, 16, 128
HD = C // H


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(C))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(C, H * HD, bias=False)
        self.k = nn.Linear(C, KV * HD, bias=False)
        self.v = nn.Linear(C, KV * HD, bias=False)
        self.o = nn.Linear(H * HD, C, bias=False)

    def forward(self, x, cos, sin, mask):
        q = self.q(x).view(B, T, H, HD).transpose(1, 2)
        k = self.k(x).view(B, T, KV, HD).transpose(1, 2)
        v = self.v(x).view(B, T, KV, HD).transpose(1, 2)
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        k = k[:, :, None].expand(B, KV, H // KV, T, HD).reshape(B, H, T, HD)
        v = v[:, :, None].expand(B, KV, H // KV, T, HD).reshape(B, H, T, HD)
        p = F.softmax(q @ k.transpose(2, 3) / HD**0.5 + mask, dim=-1, dtype=torch.float32)
        return self.o((p @ v).transpose(1, 2).reshape(B, T, H * HD))


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(C, I, bias=False)
        self.w2 = nn.Linear(I, C, bias=False)
        self.w3 = nn.Linear(C, I, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Moe(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(C, E, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(E))

    def forward(self, x):
        x = x.view(-1, C)
        weight, chosen = torch.topk(F.softmax(self.gate(x), dim=1, dtype=torch.float32), K, dim=-1)
        weight = weight / weight.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        mask = F.one_hot(chosen, E).permute(2, 1, 0)
        for e, expert in enumerate(self.experts):
            which, token = torch.where(mask[e])
            out.index_add_(0, token, expert(x[token]) * weight[token, which, None])
        return out.view(B, T, C)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.attention, self.n2, self.moe = Norm(), Attention(), Norm(), Moe()

    def forward(self, x, cos, sin, mask):
        x = x + self.attention(self.n1(x), cos, sin, mask)
        return x + self.moe(self.n2(x))


class Mixtral(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, C)
        self.layers = nn.ModuleList(Layer() for _ in range(L))
        self.norm = Norm()
        self.head = nn.Linear(C, V, bias=False)
        angle = torch.outer(torch.arange(T).float(), 1e6 ** (-torch.arange(0, HD, 2).float() / HD))
        angle = torch.cat((angle, angle), -1)
        self.cos, self.sin = angle.cos(), angle.sin()
        self.mask = torch.full((T, T), float("-inf")).triu(1)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.head(self.norm(x))


def fastest(threads, seconds):
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    model = Mixtral()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    tokens = torch.randint(0, V, (B, T + 1))
    best, start, steps = 1e9, time.perf_counter(), 0
    while steps < 5 or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        loss = F.cross_entropy(model(tokens[:, :-1]).reshape(-1, V), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        best, steps = min(best, time.perf_counter() - t), steps + 1
    return B * T / best


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    rates = {n: fastest(n, seconds) for n in sorted({1, len(os.sched_getaffinity(0))})}
    print(json.dumps({"torch": torch.__version__, "blas": torch.__config__.show().split("BLAS_INFO=")[-1].split(",")[0],
                      "tokens_per_s": rates, "best_tokens_per_s": max(rates.values())}))
