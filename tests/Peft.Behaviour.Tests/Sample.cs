using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>A method as these tests use it: options that suit <see cref="SmallModel"/>, and what its model needs before.</summary>
/// <param name="Options">The options: the defaults where they do.</param>
internal sealed record Sample(AdapterOptions Options)
{
    /// <summary>What the model needs before it gets the adapter.</summary>
    public Action<PeftModel> Prepare { get; init; } = _ => { };

    // Where the defaults are made for matrices of thousands of rows, or are none.
    private static readonly Dictionary<string, Sample> Special = new Sample[]
    {
        new(new PartialOptions { TargetModules = ["layers.-1", "norm"] }),
        new(new TrainableTokensOptions { TokenIndices = [1, 3, 7] }),
        new(new SupertuningOptions { Sparsity = 0.9, Rank = 2 }),
        new(new RoadOptions { GroupSize = 16 }),
        new(new UnionOptions { Parts = [new LoraOptions { TargetModules = ["q_proj"] }, new Ia3Options { TargetModules = ["v_proj"], FeedForwardModules = [] }] }),
        new(new FusionOptions { Adapters = ["left", "right"] }) { Prepare = AddBottlenecks },
        new(new BottleneckOptions { ReductionFactor = 4 }),
        new(new C3aOptions { BlockSize = 8 }),
        new(new OftOptions { BlockSize = 8 }),
        new(new FourierFtOptions { Frequencies = 50 }),
        new(new WaveFtOptions { Coefficients = 50 }),
        new(new ShiraOptions { Rank = 2 }),
        new(new VbLoraOptions { Vectors = 12, VectorLength = 8 }),
        new(new AdaLoraOptions { InitialRank = 4, TargetRank = 2 }),
        new(new RandLoraOptions { Rank = 4 }),
        new(new PsoftOptions { Rank = 4, Alpha = 4 }),
        new(new PromptTuningOptions { VirtualTokens = 3 }),
        new(new PTuningOptions { VirtualTokens = 3, Encoder = PromptEncoder.Lstm }),
        new(new MultitaskPromptOptions { VirtualTokens = 3 }) { Prepare = peft => peft.Tasks(0) },
        new(new CptOptions { TokenIds = [3, 4, 5, 6], TokenTypes = [1, 2, 3, 4], InputRadius = 8, FormatRadius = 8 }),
        new(new PrefixTuningOptions { VirtualTokens = 3 }),
        new(new CartridgeOptions { VirtualTokens = 3 }),
        new(new AdaptionPromptOptions { Length = 3, Layers = 2 }),
        new(new AdamssOptions { Rank = 8, SubspaceCount = 3 }),
        new(new XLoraOptions { Adapters = Experts(), Depth = 2, Size = 8 }),
    }.ToDictionary(sample => sample.Options.PeftType);

    /// <summary>The sample of a method.</summary>
    public static Sample Of(string method) => Special.GetValueOrDefault(method) ?? new((AdapterOptions)Activator.CreateInstance(AdapterMethods.Known[method])!);

    /// <summary>All registered methods: whoever adds one finds it here.</summary>
    public static IEnumerable<string> Methods => AdapterMethods.Known.Keys.Order(StringComparer.Ordinal);

    // Two LoRA adapters in folders that stay until the tests are over.
    private static Dictionary<string, string> Experts()
    {
        var folder = new TemporaryFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Dispose();
        return Enumerable.Range(0, 2).ToDictionary(i => $"{i}", i =>
        {
            using var scope = NewDisposeScope();
            using var model = SmallModel.Create();
            manual_seed(30 + i);
            using var peft = model.ApplyLora(rank: 2).Trained(seed: 40 + i, size: 0.3);
            peft.SaveAdapter(folder[$"{i}"]);
            return folder[$"{i}"];
        });
    }

    private static void AddBottlenecks(PeftModel peft)
    {
        foreach (var name in new[] { "left", "right" })
        {
            // Adapters that start from one seed, and learn the same, are the same: there would be nothing to choose from.
            peft.Add(name, new BottleneckOptions { ReductionFactor = 4, InitializationSeed = name.Length });
            peft.Activate(name);
            peft.Trained();
        }
    }
}
