using System.Diagnostics;
using Peft.Checkpoints;
using Peft.Core.Tests.FineTuning;
using Peft.Core.Tests.Training;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

/// <summary>Damaged files of every kind of JSON that Core reads are read or refused by name, soon, and without much memory.</summary>
public sealed class JsonFuzzTests : IDisposable
{
    private const int Rounds = 1500;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_index_of_shards()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var weights = Enumerable.Range(0, 4).ToDictionary(i => $"layer.{i}", i => ones(8));
        ShardedCheckpointWriter.Write(folder, weights, 40);
        Damaged(folder["model.safetensors.index.json"], 1, () =>
        {
            using var checkpoint = ShardedCheckpoint.Open(folder);
            foreach (var tensor in Samples.ReadAll(checkpoint).Values) tensor.Dispose();
        });
    }

    [Theory]
    [InlineData("trainer_state.json", true)]
    [InlineData("trainer_state.json", false)]
    [InlineData("SHA256SUMS", false)]
    [InlineData("training_state.safetensors", true)]
    public void A_training_checkpoint(string file, bool withChecksums)
    {
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 3, OutputFolder = folder.Path }) { Evaluation = Runs.Rows(4) }.Train();
        var checkpoint = folder["checkpoint-3"];
        var model = Runs.Line();
        var rows = Runs.Rows(8);
        Damaged(Path.Combine(checkpoint, file), withChecksums ? 1 : 0, () =>
        {
            // Checksums that are right lead the damage to the parsers behind them.
            if (withChecksums) CheckpointSums.Write(checkpoint);
            new Trainer(model, rows, new() { MaxSteps = 4, ResumeFrom = checkpoint }).Train();
        }, Rounds / 4);
    }

    [Fact]
    public void Rows_of_JSON_lines()
    {
        File.WriteAllText(folder["rows"], string.Concat(Enumerable.Range(0, 5).Select(i => $$"""{"prompt":"question {{i}}","completion":"answer"}""" + "\n")));
        Damaged(folder["rows"], 1, () => InstructionDataset.FromFile(folder["rows"], new CharacterTokenizer()));
    }

    [Theory]
    [InlineData("FULL")]
    [InlineData("PARTIAL")]
    public void The_configuration_of_an_adapter(string method)
    {
        using var model = Tower.Create();
        using (var peft = method == "FULL" ? model.ApplyFull() : model.ApplyPartial("layers.-1", "norm")) peft.SaveAdapter(folder);
        Damaged(folder[AdapterConfig.FileName], 1, () => model.ApplyAdapter(folder).Dispose());
    }

    /// <summary>Opens a file damaged in many ways.</summary>
    /// <param name="path">The file.</param>
    /// <param name="leastRead">How many must be read all the same, since a mutator that only ever breaks a file would test nothing.</param>
    /// <param name="open">Reads it.</param>
    /// <param name="rounds">How often.</param>
    private static void Damaged(string path, int leastRead, Action open, int rounds = Rounds)
    {
        byte[] good = File.ReadAllBytes(path);
        var random = new Random(20260101);
        int read = 0, refused = 0;
        for (int i = 0; i < rounds; i++)
        {
            byte[] content = JsonMutator.Damage(good, random);
            File.WriteAllBytes(path, content);
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            try
            {
                open();
                read++;
            }
            catch (PeftException)
            {
                refused++;
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"Round {i}: {error.GetType().Name} for {System.Text.Encoding.UTF8.GetString(content[..Math.Min(content.Length, 3000)])}", error);
            }
            Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromMinutes(1), $"round {i}");
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 30, $"round {i}");
        }
        read.ShouldBeGreaterThanOrEqualTo(leastRead);
        refused.ShouldBeGreaterThan(rounds / 10);
    }
}
