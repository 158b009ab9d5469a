using Peft.Quantization;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>The bundled model, and texts that it tells.</summary>
internal static class Stories
{
    private const int Length = 80, Rows = 12;

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");

    /// <summary>The model with a feed-forward network of 192 instead of 172 units, of which those beyond 172 are 0: it computes the same, and its matrices fill whole words and groups.</summary>
    public static CausalLM Model()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var source = CausalLM.FromPretrained(Folder);
        var model = CausalLM.FromConfig(source.Config.With("intermediate_size", 192));
        foreach (var (name, parameter) in model.named_parameters())
        {
            var values = source.get_parameter(name)!;
            var part = parameter.zero_();
            for (var dimension = 0; dimension < values.dim(); dimension++) part = part.narrow(dimension, 0, values.shape[dimension]);
            part.copy_(values);
        }
        return model;
    }

    /// <summary>Batches of texts that the model tells.</summary>
    /// <param name="held">True for texts beside those that calibrate.</param>
    public static IReadOnlyList<Batch> Batches(bool held = false)
        => [.. (held ? Others : Texts).Value.Chunk(Rows).Select(each => new Batch { InputIds = tensor([.. each.SelectMany(text => text)], [each.Length, Length]), Labels = tensor([.. each.SelectMany(text => text)], [each.Length, Length]), Weight = each.Length * (Length - 1) })];

    private static readonly Lazy<long[][]> Texts = new(() => Tell(1)), Others = new(() => Tell(2));

    private static long[][] Tell(int seed)
    {
        using var model = CausalLM.FromPretrained(Folder);
        var texts = model.Generate(Enumerable.Range(0, 3 * Rows).Select(_ => (IReadOnlyList<int>)[1]).ToList(), new GenerationOptions { DoSample = true, MaxNewTokens = Length - 1, MinNewTokens = Length - 1, Seed = seed });
        return [.. texts.Select(text => (long[])[1, .. text.Select(id => (long)id)])];
    }

    /// <summary>The perplexity on batches.</summary>
    public static double Perplexity(CausalLM model, IEnumerable<Batch> batches)
    {
        using var _ = no_grad();
        return Math.Exp(batches.Average(batch =>
        {
            using var loss = model.Loss(batch);
            return loss.item<float>();
        }));
    }

    /// <summary>The model with its weights rounded to the nearest values that a method has.</summary>
    public static CausalLM Rounded(CalibratedOptions options)
    {
        using var _ = no_grad();
        var model = Model();
        var (bits, symmetric) = options is GptqOptions gptq ? (gptq.Bits, gptq.IsSymmetric) : (4, false);
        foreach (var (path, module) in ModelQuantization.Choose(model, []))
        {
            using var scope = NewDisposeScope();
            var matrix = new CalibratedModule(path, module).Read();
            module.Weight.copy_(GroupedCodes.Round(matrix, options.SizeFor(matrix.shape[0]), bits, symmetric, path).Values().t());
        }
        return model;
    }
}
