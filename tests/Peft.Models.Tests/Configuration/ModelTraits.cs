using System.Collections.Concurrent;
using System.Globalization;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>What a configuration makes of all models that it can: modules, numbers with and without dropout, losses, labels.</summary>
internal static class ModelTraits
{
    private static readonly ConcurrentDictionary<string, Dictionary<string, string>> Known = [];

    public static Dictionary<string, string> Of(ModelConfig config) => Known.GetOrAdd(config.ToString(), _ => Make(config));

    private static Dictionary<string, string> Make(ModelConfig config)
    {
        var spec = new ModelRegistry().Describe(config);
        var kind = spec.Kind;
        var result = new Dictionary<string, string>();
        if (kind == TransformerKind.Decoder) Add(CausalLM.FromConfig(config));
        if (spec.MaskedHead is not null) Add(MaskedLM.FromConfig(config));
        if (kind == TransformerKind.EncoderDecoder) Add(Seq2SeqLM.FromConfig(config));
        Add(SequenceClassifier.FromConfig(config));
        if (kind == TransformerKind.EncoderDecoder) return result;
        Add(TokenClassifier.FromConfig(config));
        if (spec.QuestionAnswerer is not null) Add(QuestionAnswerer.FromConfig(config));
        return result;

        void Add(PretrainedModel made)
        {
            using var model = made;
            using var scope = NewDisposeScope();
            using var grad = no_grad();
            var name = model.GetType().Name;
            result[name + " modules"] = string.Join(", ", model.named_parameters().Select(each => $"{each.name}[{string.Join('x', each.parameter.shape)}]"));
            result[name + " tied"] = string.Join(", ", model.TiedParameters);
            result[name + " labels"] = string.Join(", ", config.Labels);
            // Fresh norms and biases are 1 and 0, which would hide what stands before and after them.
            manual_seed(11);
            foreach (var (parameter, weight) in model.named_parameters())
                if (weight.dim() == 1) weight.add_(randn_like(weight) * 0.3);
            foreach (var train in new[] { false, true })
            {
                model.train(train);
                manual_seed(5);
                result[$"{name} {(train ? "training" : "output")}"] = Try(() => Text(model.forward(Input(model))));
            }
            model.eval();
            if (model is SequenceClassifier or Seq2SeqLM) result[name + " loss"] = Try(() => Text(model.Loss(Input(model) with { DecoderInputIds = null }, Labels(model))));
            result[name + " length"] = Try(() => model.forward(new ModelInput { InputIds = full(1, 50, 9, ScalarType.Int64), DecoderInputIds = Decoder(model, 1) }).shape.Length.ToString(CultureInfo.InvariantCulture));
        }
    }

    // Two rows of 24 with 6, 1, 5 and 2, which padding and ends may be.
    private static ModelInput Input(PretrainedModel model) => new()
    {
        InputIds = tensor(new[] { 0, 1 }.SelectMany(row => Enumerable.Range(0, 24).Select(i => i > 20 - row ? 6L : i == 17 ? 1 : i == 12 ? 5 : i == 14 ? 2 : 10 + (((i * 7) + (row * 13)) % 70))).ToArray(), [2, 24]),
        AttentionMask = model is SequenceClassifier ? ones(2, 24, ScalarType.Int64) : null,
        DecoderInputIds = Decoder(model, 2),
    };

    private static Tensor? Decoder(PretrainedModel model, int rows) => model is Seq2SeqLM ? tensor(new long[] { 0, 9, 33, 21 }, [1, 4]).expand(rows, 4) : null;

    private static Tensor Labels(PretrainedModel model) => model is Seq2SeqLM
        ? tensor(new long[] { 9, Batch.IgnoredLabel, 21, 9, 33, 21 }, [2, 3]) : tensor(Enumerable.Range(0, 2 * model.Config.LabelCount).Select(i => i % 3 / 2f).ToArray(), [2, model.Config.LabelCount]);

    private static string Text(Tensor numbers) => string.Join(' ', numbers.to(float32).contiguous().data<float>().Select(each => each.ToString("R", CultureInfo.InvariantCulture)));

    private static string Try(Func<string> run)
    {
        try
        {
            return run();
        }
        catch (Exception exception) when (exception is ArgumentException or PeftException)
        {
            return exception.Message;
        }
    }
}
