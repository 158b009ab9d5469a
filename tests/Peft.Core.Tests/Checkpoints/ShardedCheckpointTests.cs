using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

public sealed class ShardedCheckpointTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();

    private readonly Dictionary<string, Tensor> weights = new()
    {
        ["embed"] = arange(8, dtype: ScalarType.Float32),
        ["b"] = ones(2),
        ["a"] = zeros(3, dtype: ScalarType.BFloat16),
        ["head"] = ones(4) * 2,
    };

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Weights_below_the_limit_are_one_file()
    {
        ShardedCheckpointWriter.Write(folder, weights);
        folder.FileNames.ShouldBe(["model.safetensors"]);
        SameAsWeights();
    }

    [Fact]
    public void Weights_of_exactly_the_limit_are_one_file()
    {
        ShardedCheckpointWriter.Write(folder, weights, maxShardBytes: 62);
        folder.FileNames.ShouldBe(["model.safetensors"]);
    }

    [Fact]
    public void A_closed_checkpoint_has_closed_its_files()
    {
        ShardedCheckpointWriter.Write(folder, weights, maxShardBytes: 24);
        var checkpoint = ShardedCheckpoint.Open(folder);
        checkpoint.Dispose();
        Should.Throw<ObjectDisposedException>(() => checkpoint.Read("a"));
    }

    [Fact]
    public void Weights_above_the_limit_are_split_and_indexed_as_transformers_does()
    {
        ShardedCheckpointWriter.Write(folder, weights, maxShardBytes: 24);
        folder.FileNames.ShouldBe([
            "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"]);
        // embed (32 bytes) is over the limit and stands alone; b and a (14 bytes) share a shard that head (16) would overfill.
        File.ReadAllText(folder["model.safetensors.index.json"]).ShouldBe("""
            {
              "metadata": {
                "total_size": 62
              },
              "weight_map": {
                "a": "model-00002-of-00003.safetensors",
                "b": "model-00002-of-00003.safetensors",
                "embed": "model-00001-of-00003.safetensors",
                "head": "model-00003-of-00003.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"));
        SafetensorsFile.Open(folder["model-00001-of-00003.safetensors"]).Metadata["format"].ShouldBe("pt");
        SameAsWeights();
    }

    [Theory]
    [InlineData(24, 5_000_000_000)]
    [InlineData(5_000_000_000, 24)]
    [InlineData(24, 40)]
    public void A_second_save_leaves_no_file_of_the_first(long firstLimit, long secondLimit)
    {
        folder.Write("model-notes.txt", "mine"u8);
        ShardedCheckpointWriter.Write(folder, weights.ToDictionary(pair => pair.Key, pair => pair.Value + 1), firstLimit);
        ShardedCheckpointWriter.Write(folder, weights, secondLimit);
        SameAsWeights();
        folder.FileNames.ShouldContain("model-notes.txt");
        folder.FileNames.Count().ShouldBe(secondLimit > 62 ? 2 : secondLimit == 40 ? 4 : 5);
    }

    [Fact]
    public void A_failed_save_leaves_the_first_one()
    {
        ShardedCheckpointWriter.Write(folder, weights, 24);
        var before = folder.FileNames.ToList();
        var bad = new Dictionary<string, Tensor> { ["x"] = ones(6), ["half\uD800"] = ones(6) };
        Should.Throw<ArgumentException>(() => ShardedCheckpointWriter.Write(folder, bad, 24));
        folder.FileNames.ShouldBe(before);
        SameAsWeights();
    }

    [Fact]
    public void No_tensors_at_all_are_one_empty_file()
    {
        ShardedCheckpointWriter.Write(folder, new Dictionary<string, Tensor>());
        using var checkpoint = ShardedCheckpoint.Open(folder);
        checkpoint.Tensors.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("sub/model.safetensors")]
    [InlineData("..\\\\model.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("C:model.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    public void An_index_that_names_a_file_outside_the_folder_is_refused(string file)
        => Refused($$$"""{"weight_map":{"w":"{{{file}}}"}}""", "Only a file in the same folder");

    [Theory]
    [InlineData("", "not a valid index")]
    [InlineData("[]", "no weight_map object")]
    [InlineData("{}", "no weight_map object")]
    [InlineData("""{"weight_map":[]}""", "no weight_map object")]
    [InlineData("""{"weight_map":{"w":1}}""", "Only a file in the same folder")]
    [InlineData("""{"weight_map":{"w":"a","w":"b"}}""", "not a valid index")]
    [InlineData("""{"weight_map":{"\ud800":"a"}}""", "not a valid index")]
    [InlineData("""{"weight_map":{"w":"none.safetensors"}}""", "no such file")]
    public void A_damaged_index_is_refused(string json, string fault) => Refused(json, fault);

    [Fact]
    public void A_tensor_that_its_shard_lacks_is_named()
    {
        SafetensorsWriter.Write(folder["s.safetensors"], weights);
        Refused("""{"weight_map":{"embed":"s.safetensors","missing":"s.safetensors"}}""", "'missing' is in s.safetensors, which does not contain it");
    }

    [Fact]
    public void A_folder_without_weights_says_what_was_looked_for()
    {
        var error = Should.Throw<CheckpointException>(() => ShardedCheckpoint.Open(folder));
        error.Message.ShouldContain("model.safetensors.index.json");
        Should.Throw<CheckpointException>(() => ShardedCheckpoint.Open(folder["nowhere"]));
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        ShardedCheckpointWriter.Write(folder, weights);
        using var checkpoint = ShardedCheckpoint.Open(folder);
        Should.Throw<CheckpointException>(() => checkpoint.Read("tail")).Message.ShouldContain("no tensor 'tail'");
        Should.Throw<CheckpointException>(() => checkpoint.CopyInto("tail", ones(1))).Message.ShouldContain("no tensor 'tail'");
    }

    private void Refused(string index, string fault)
    {
        File.WriteAllText(folder["model.safetensors.index.json"], index);
        Should.Throw<CheckpointException>(() => ShardedCheckpoint.Open(folder)).Message.ShouldContain(fault);
    }

    private void SameAsWeights()
    {
        using var checkpoint = ShardedCheckpoint.Open(folder);
        checkpoint.Tensors.Keys.ShouldBe(weights.Keys, ignoreOrder: true);
        foreach (var (name, expected) in weights)
        {
            var read = checkpoint.Read(name);
            read.dtype.ShouldBe(expected.dtype);
            read.bytes.ToArray().ShouldBe(expected.bytes.ToArray());
            var copied = zeros_like(expected);
            checkpoint.CopyInto(name, copied);
            copied.bytes.ToArray().ShouldBe(expected.bytes.ToArray());
        }
    }
}
