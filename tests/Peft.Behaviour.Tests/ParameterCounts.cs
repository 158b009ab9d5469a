using System.Globalization;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>How many parameters the methods have on a Llama of 7 billion weights, laid out whole on the device meta: shapes take no time and no memory.</summary>
internal sealed class ParameterCounts : IDisposable
{
    // Where the defaults leave a choice open.
    private static readonly Dictionary<string, (AdapterOptions Options, string What)> Choices = new (AdapterOptions Options, string What)[]
    {
        (new PromptTuningOptions { VirtualTokens = 20 }, "20 tokens"),
        (new PTuningOptions { VirtualTokens = 20 }, "20 tokens"),
        (new MultitaskPromptOptions { VirtualTokens = 20 }, "20 tokens"),
        (new PrefixTuningOptions { VirtualTokens = 20 }, "20 tokens"),
        (new CartridgeOptions { VirtualTokens = 20 }, "20 tokens"),
        (new CptOptions { TokenIds = [.. Enumerable.Range(3, 20)] }, "20 tokens"),
        (new AdaptionPromptOptions { Length = 10, Layers = 30 }, "10 tokens in 30 layers"),
        (new TrainableTokensOptions { TokenIndices = [.. Enumerable.Range(3, 20)] }, "20 tokens"),
        (new PartialOptions { TargetModules = ["layers.-1", "norm"] }, "last layer and norm"),
        (new FusionOptions { Adapters = ["left", "right"] }, "of two bottlenecks"),
        (new UnionOptions { Parts = [new LoraOptions { TargetModules = ["q_proj"] }, new Ia3Options { TargetModules = ["v_proj"], FeedForwardModules = [] }] }, "LoRA and (IA)³"),
    }.ToDictionary(choice => choice.Options.PeftType);

    private readonly CausalLM model = CausalLM.FromConfig(
        ModelConfig.Parse("""
            {
              "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008,
              "max_position_embeddings": 4096, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1
            }
            """),
        options: new LoadOptions { Device = new Device(DeviceType.META) });

    /// <summary>What the table says of a method.</summary>
    public string Cell(string method)
    {
        var (options, what) = Choices.GetValueOrDefault(method, ((AdapterOptions)Activator.CreateInstance(AdapterMethods.Known[method])!, ""));
        try
        {
            var count = Of(model, options).ToString("N0", CultureInfo.InvariantCulture);
            return what.Length == 0 ? count : $"{count} ({what})";
        }
        catch (TargetNotFoundException)
        {
            return "none";   // Llama has no biases
        }
    }

    /// <summary>What an adapter would train of a model.</summary>
    public static long Of(CausalLM model, AdapterOptions options)
    {
        using var scope = NewDisposeScope();
        using var peft = new PeftModel(model);
        if (options is FusionOptions fusion)
            foreach (var name in fusion.Adapters) peft.Add(name, new BottleneckOptions());
        peft.Add(PeftModel.DefaultName, options);
        peft.Activate(PeftModel.DefaultName);
        return peft.CountParameters().Trainable;
    }

    public void Dispose() => model.Dispose();
}
