"""Times PyTorch on the convolution and matrix shapes that `make bench` measures.

    python Tests/Fixtures/peers/bench_conv.py [--threads 2] [--repeats 5] [--json]
        [--only 320x64] [--no-backward] [--bf16]
"""

from peer_timing import Report, median_seconds, options, require

# (input channels, height and width, output channels); all 3x3, stride 1, padding 1, batch 1.
CONVOLUTIONS = [(320, 64, 320), (640, 32, 640), (1280, 16, 1280), (1280, 8, 1280), (512, 64, 512), (256, 256, 256),
                (128, 512, 128)]
# (rows, inner, columns): y = x W^T with W stored [columns, inner].
LINEARS = [(2048, 2048, 2048), (4096, 320, 320), (4096, 320, 2560), (4096, 1280, 320), (1024, 640, 640),
           (1024, 640, 5120), (1024, 2560, 640), (256, 1280, 1280), (256, 1280, 10240), (256, 5120, 1280),
           (77, 768, 320)]
# (batch of heads, rows, inner, columns) of attention's two products, and whole attention (heads, tokens, dimension).
BATCHED = [("attnQK", 8, 4096, 40, 4096), ("attnPV", 8, 4096, 4096, 40), ("attnQK", 8, 1024, 80, 1024),
           ("attnPV", 8, 1024, 1024, 80), ("vaeQK", 1, 4096, 512, 4096)]
ATTENTIONS = [(8, 4096, 4096, 40), (8, 1024, 1024, 80), (8, 256, 256, 160), (8, 4096, 77, 40)]


def main():
    chosen = options("Time PyTorch on convolution and matrix shapes.",
                     no_backward={"action": "store_true"}, bf16={"action": "store_true"})
    require("torch")
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    report = Report(chosen.json, {"peer": "torch", "version": torch.__version__, "threads": chosen.threads})
    types = [("f32", torch.float32)] + ([("bf16", torch.bfloat16)] if chosen.bf16 else [])

    def measure(name, gflop, inputs, run):
        """Forward alone, then backward alone (gradients of all inputs), for each type."""
        if chosen.only not in name:
            return
        for label, dtype in types:
            values = [value.to(dtype) for value in inputs]
            with torch.no_grad():
                report.add(name, f"{label} forward", median_seconds(lambda: run(*values), chosen.repeats), gflop)
            if chosen.no_backward:
                continue
            leaves = [value.clone().requires_grad_() for value in values]
            output = run(*leaves)
            seed = torch.randn_like(output)
            seconds = median_seconds(lambda: torch.autograd.grad(output, leaves, seed, retain_graph=True),
                                     chosen.repeats)
            report.add(name, f"{label} backward", seconds, 2 * gflop)

    for inputs, size, outputs in CONVOLUTIONS:
        gflop = 2 * 9 * inputs * outputs * size * size / 1e9
        values = [torch.randn(1, inputs, size, size), torch.randn(outputs, inputs, 3, 3)]
        measure(f"conv3x3 {inputs}x{size}x{size}->{outputs}", gflop, values,
                lambda x, weight: F.conv2d(x, weight, padding=1))
    for rows, inner, columns in LINEARS:
        measure(f"linear {rows},{inner},{columns}", 2 * rows * inner * columns / 1e9,
                [torch.randn(rows, inner), torch.randn(columns, inner)], F.linear)
    for kind, batch, rows, inner, columns in BATCHED:
        measure(f"{kind} {batch} x {rows},{inner},{columns}", 2 * batch * rows * inner * columns / 1e9,
                [torch.randn(batch, rows, inner), torch.randn(batch, inner, columns)], torch.bmm)
    for heads, queries, keys, dimension in ATTENTIONS:
        measure(f"attention {heads} x {queries},{keys},{dimension}", 4 * heads * queries * keys * dimension / 1e9,
                [torch.randn(1, heads, count, dimension) for count in (queries, keys, keys)],
                F.scaled_dot_product_attention)


if __name__ == "__main__":
    main()
