using Peft.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>Adapters on a plain module of TorchSharp's own layers, not a transformer: the oracle's <c>modules</c> folder.</summary>
public class ModuleTests
{
    public static TheoryData<string> Adapters
        => [.. Oracle.Folders("modules").SelectMany(folder => Directory.GetDirectories(Path.Combine(Oracle.Folder, "modules", folder))
            .Where(each => AdapterMethods.Known.ContainsKey(MethodOf(each))).Select(each => $"{folder}/{Path.GetFileName(each)}"))];

    [Theory, MemberData(nameof(Adapters))]
    public void Outputs_gradients_and_merged_outputs(string id)
    {
        var (folder, adapter) = (id[..id.IndexOf('/')], id[(id.IndexOf('/') + 1)..]);
        using var scope = NewDisposeScope();
        using var net = new Net();
        var path = Path.Combine(Oracle.Folder, "modules", folder);
        net.Load(Path.Combine(path, "model.safetensors"));
        using var expected = new Expected(path);
        var (x, t) = (expected.Read("x"), expected.Read("t"));
        expected.ShouldEqual("base_output", net.call(x, t));

        using var peft = net.ApplyAdapter(Path.Combine(path, adapter), trainable: true);
        var output = net.call(x, t);
        expected.ShouldEqual($"{adapter}.output", output);
        peft.Unreached.ShouldBeEmpty();

        output.square().sum().backward();
        // In memory Hugging Face's magnitude has a suffix that its file has not.
        var gradients = peft.Trainables.ToDictionary(each => each.Name, each => each.Value.grad);
        if (expected.Below($"{adapter}.grad.").Count > 0)
            expected.ShouldEqual($"{adapter}.grad.", key => gradients.GetValueOrDefault(key) ?? gradients.GetValueOrDefault(key.Replace("vector.weight", "vector", StringComparison.Ordinal)));

        peft.MergeAndUnload();
        expected.ShouldEqual($"{adapter}.merged_output", net.call(x, t));
    }

    private static string MethodOf(string folder)
        => System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, AdapterConfig.FileName))).RootElement.GetProperty("peft_type").GetString()!;

    /// <summary>The oracle's network: see its README.</summary>
    private sealed class Net : nn.Module<Tensor, Tensor, Tensor>
    {
        private readonly Conv2d conv1 = nn.Conv2d(3, 8, 3, padding: 1);
        private readonly Conv2d conv2 = nn.Conv2d(8, 6, 3, stride: 2);
        private readonly Conv1d conv1d = nn.Conv1d(6, 5, 2);
        private readonly TorchSharp.Modules.Embedding emb = nn.Embedding(20, 9);
        private readonly TorchSharp.Modules.Linear fc = nn.Linear(40, 7);

        public Net() : base(nameof(Net)) => RegisterComponents();

        public override Tensor forward(Tensor x, Tensor t)
        {
            var h = nn.functional.relu(conv2.call(nn.functional.relu(conv1.call(x))));
            h = h.flatten(2)[TensorIndex.Ellipsis, TensorIndex.Slice(0, 9)] + emb.call(t).unsqueeze(1);
            return fc.call(nn.functional.relu(conv1d.call(h)).flatten(1));
        }

        public void Load(string path)
        {
            using var _ = no_grad();
            using var file = SafetensorsFile.Open(path);
            foreach (var (name, parameter) in named_parameters()) parameter.copy_(file.Read(name));
        }
    }
}
