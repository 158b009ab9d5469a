using System.CommandLine;
using Peft.Kernels;
using Peft.Models;
using Peft.Modules;
using Peft.Quantization;
using Peft.Quantization.Tests;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>The linear modules of one decode step alone, with random weights of any quantized kind: those that <see cref="QuantizationOptions"/> makes, and those that are only read from files.</summary>
internal static class ProductsBenchmark
{
    public static Command Command()
    {
        var (shape, rows, kinds) = (Measure.Shape(), Measure.Number("--rows", 1), new Option<string>("--kinds")
        {
            DefaultValueFactory = _ => "float32,nf4 64,nf4 64 double,int8,gptq 4,awq,int4,Q8_0,Q4_0,Q4_K,Q6_K",
            Description = "Kinds of weights, comma-separated",
        });
        var (warmup, runs) = (Measure.Warmup(), Measure.Number("--runs", 9));
        var command = new Command("products", "Milliseconds of the linear modules of a decode step.") { shape, rows, kinds, warmup, runs };
        command.SetAction(at =>
        {
            Common.Apply(at);
            foreach (var kind in at.GetValue(kinds)!.Split(','))
            {
                using var model = CausalLM.FromConfig(ModelConfig.Parse(Shapes.Config(at.GetValue(shape)!)));
                var modules = model.named_modules().Select(pair => pair.module).OfType<AdaptableModule>().Where(module => module is Linear or TransposedLinear && module != model.HeadModule).ToList();
                (long Outputs, long Inputs) SizeOf(AdaptableModule module) => module is TransposedLinear ? (module.Storage.Shape[1], module.Storage.Shape[0]) : (module.Storage.Shape[0], module.Storage.Shape[1]);
                var seed = 0;
                var takes = kind == "float32" || modules.TrueForAll(module => Takes(kind, SizeOf(module).Inputs));
                foreach (var module in modules)
                    if (takes && kind != "float32" && SizeOf(module) is var (outputs, inputs)) module.Store(new QuantizedStorage(Matrices.Of(kind, outputs, inputs, ++seed), module is TransposedLinear));
                // Matrices of this size do not exist, or decode steps leave them to other products.
                if (!takes || modules.Exists(module => module.ForDecoding(at.GetValue(rows)) is null))
                {
                    Measure.Print(at, new { benchmark = "products", shape = at.GetValue(shape), kind, rows = at.GetValue(rows), ms = (double?)null });
                    continue;
                }
                var seconds = Measure.Seconds(() => Run(modules, at.GetValue(rows)), at.GetValue(warmup), at.GetValue(runs));
                Measure.Print(at, new { benchmark = "products", shape = at.GetValue(shape), kind, rows = at.GetValue(rows), ms = Math.Round(seconds * 1000, 2), mb = Math.Round(modules.Sum(module => module.Storage.Bytes) / 1048576.0, 1) });
            }
        });
        return command;
    }

    private static bool Takes(string kind, long inputs) => Matrices.TakesAnySize(kind) || inputs % (kind.StartsWith('Q') && kind.EndsWith('K') ? 256 : 32) == 0;

    private static unsafe void Run(List<AdaptableModule> modules, int rows)
    {
        using var _ = inference_mode();
        foreach (var module in modules)
        {
            using var scope = NewDisposeScope();
            var linear = module.ForDecoding(rows)!;
            var (x, y) = (ones(rows, linear.Matrix.Inputs), empty(rows, linear.Matrix.Outputs));
            DecodeProducts.Run((float*)TensorAddress.Of(x), rows, [linear], [TensorAddress.Of(y)]);
        }
    }
}
