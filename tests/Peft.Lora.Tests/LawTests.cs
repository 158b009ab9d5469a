using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>The law of the architecture, forward equals merge, on operations of every kind: TorchSharp's and this library's own.</summary>
public sealed class LawTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 30)];

    [Theory, MemberData(nameof(Seeds))]
    public void Forward_equals_merge_for_random_stacks_of_LoRA_layers_on_every_kind_of_operation(int seed)
    {
        using var scope = NewDisposeScope();
        manual_seed(seed);
        var random = new Random(seed);
        using var model = new EveryKind();
        var ids = randint(0, 11, [2, 8], ScalarType.Int64);
        var (bits, before) = (model.Bits(), model.call(ids));
        using var peft = new PeftModel(model);
        var kinds = Enumerable.Range(0, random.Next(1, 5)).Select(_ => Kinds[random.Next(Kinds.Length)]).ToArray();
        string[] names = [.. kinds.Select((kind, i) => $"{i}-{kind.Name}")];
        foreach (var (name, kind) in names.Zip(kinds)) peft.Add(name, kind.Options);
        peft.Activate(names);
        peft.Shake(0.2);

        var forward = model.call(ids);
        forward.Difference(before).ShouldBeGreaterThan(1e-3f);
        peft.Merge();
        model.call(ids).RelativeDifference(forward).ShouldBeLessThan(1e-4, string.Join(" in ", names));   // float32 sums in another order
        peft.Unmerge();
        model.ShouldHaveBits(bits);
        peft.Unload();
        model.call(ids).Difference(before).ShouldBe(0);
    }

    private static readonly LoraOptions All = new() { Rank = 2, Alpha = 3, TargetModules = ["table", "rows", "image", "signal", "linear", "turned", "leave"] };
    private static readonly ModuleSelector Products = ModuleSelector.Create(["linear", "turned", "leave"]);

    private static readonly (string Name, LoraOptions Options)[] Kinds =
    [
        ("lora", All),
        ("rslora", All with { Rank = 3, UseRslora = true }),
        ("dora", All with { UseDora = true }),
        ("dora of rank 1", All with { Rank = 1, UseDora = true, TargetModules = ["image", "rows", "linear"] }),
        ("pissa", All with { Initialization = LoraInitialization.Pissa }),
        ("olora with dora", All with { Initialization = LoraInitialization.Olora, UseDora = true }),
        ("orthogonal", All with { Initialization = LoraInitialization.Orthogonal }),
        ("bias", All with { UseLoraBias = true, TargetModules = ["image", "signal", "leave"] }),
        ("biases", All with { Bias = "all" }),
        ("kasa", All with { Kasa = new(), TargetModules = Products }),
        ("bdlora", All with { BdLora = new() { Blocks = 2, BlocksInB = ["linear"], BlocksInA = ["turned", "leave"] }, TargetModules = Products }),
    ];

    /// <summary>ids [2, 8] through tables, convolutions, and linear maps that store their weight either way.</summary>
    private sealed class EveryKind : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Embedding table = nn.Embedding(11, 6);
        private readonly Peft.Modules.Embedding rows = new(11, 6);
        private readonly Conv2d image = nn.Conv2d(2, 4, 3, stride: 2, padding: 1);
        private readonly Conv1d signal = nn.Conv1d(4, 6, 2);
        private readonly TorchSharp.Modules.Linear linear = nn.Linear(6, 8);
        private readonly Peft.Modules.TransposedLinear turned = new(8, 6);
        private readonly TorchSharp.Modules.Linear leave = nn.Linear(6, 4);

        public EveryKind() : base(nameof(EveryKind))
        {
            RegisterComponents();
            foreach (var parameter in parameters()) nn.init.normal_(parameter, 0, 0.5);
        }

        public override Tensor forward(Tensor ids)
        {
            var h = stack([table.call(ids), rows.call(ids)], 1);                   // [2, 2, 8, 6]
            h = signal.call(nn.functional.relu(image.call(h)).flatten(2));         // [2, 6, 11]
            return leave.call(nn.functional.tanh(turned.call(linear.call(h.transpose(1, 2)))));
        }
    }
}
