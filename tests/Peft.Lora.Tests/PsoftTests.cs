using static TorchSharp.torch;

namespace Peft.Lora.Tests;

public class PsoftTests
{
    // The norm of Hugging Face PEFT's update, whatever the signs of LAPACK's singular vectors. torch transposes a wide matrix before it decomposes it, which changes what few iterations find.
    [Fact]
    public void A_wide_matrix_is_decomposed_as_torch_decomposes_it()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("lin", nn.Linear(10, 6, hasBias: false)));
        var (line, weight) = (arange(60, dtype: float32), model.get_parameter("lin.weight")!);
        using (no_grad()) weight.copy_((sin(line * 0.7f) + cos(line.pow(1.3f))).reshape(6, 10));
        var before = weight.detach().clone();
        using var peft = model.ApplyAdapter(AdapterConfig.Parse("""{ "peft_type": "PSOFT", "r": 3, "psoft_alpha": 3, "target_modules": ["lin"], "psoft_svd": "lowrank", "psoft_svd_lowrank_niter": 1, "psoft_mag_a": false, "psoft_mag_b": false }"""));
        using (no_grad()) peft.Trainables.Single().Value.copy_(tensor(new[] { 0.3f, -0.2f, 0.5f }));
        (model.call(eye(10)) - before.t()).norm().item<float>().ShouldBe(5.93213f, 2e-4f);
    }
}
