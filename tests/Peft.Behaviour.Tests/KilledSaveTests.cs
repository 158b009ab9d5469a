using System.Diagnostics;
using System.Numerics;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>A process that saves over folders is killed (SIGKILL) at random moments, and what is there must be one save, whole.</summary>
public sealed class KilledSaveTests : BehaviourTests
{
    private const int Kills = 30, Copies = 2;   // of each kind 60

    [Fact]
    public async Task Sixty_kills_of_each_kind_of_save_leave_one_whole_save_and_what_was_there_besides()
    {
        var source = Path.Combine(AppContext.BaseDirectory, "stories260K");
        foreach (var mark in new[] { "even", "odd" })
        {
            var folder = Directory.CreateDirectory(Path.Combine(Folder, "tokenizers", mark)).FullName;
            File.Copy(Path.Combine(source, "tokenizer.json"), Path.Combine(folder, "tokenizer.json"));
            foreach (var file in new[] { "tokenizer_config.json", "special_tokens_map.json" })
            {
                var fields = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(source, file)))!;
                fields["mark"] = mark;
                await File.WriteAllTextAsync(Path.Combine(folder, file), fields.ToJsonString());
            }
        }
        foreach (var folder in Saved())
        {
            Directory.CreateDirectory(Path.Combine(folder, "mine"));
            await File.WriteAllTextAsync(Path.Combine(folder, "notes.txt"), folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "mine", "data.txt"), folder);
        }
        var random = new Random(2026);
        var seen = new HashSet<double>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await Run(random.Next(60));
            foreach (var folder in Saved()) seen.Add(Number(folder));
            for (var i = 0; i < Copies; i++) ShouldHaveWholeLogs(Path.Combine(Folder, $"run-{i}"));
        }
        seen.Count.ShouldBeGreaterThan(20, "else the kills came before the saves");

        await Run(null);
        foreach (var folder in Saved())
        {
            Number(folder);
            (await File.ReadAllTextAsync(Path.Combine(folder, "notes.txt"))).ShouldBe(folder);
            (await File.ReadAllTextAsync(Path.Combine(folder, "mine", "data.txt"))).ShouldBe(folder);
        }
        Directory.EnumerateFileSystemEntries(Folder, ".peft-*", SearchOption.AllDirectories).ShouldBeEmpty("the next save clears up");
    }

    private IEnumerable<string> Saved()
        => Enumerable.Range(0, Copies).SelectMany(i => new[] { "adapter", "experts", "model", "tokenizer", "files" }.Select(kind => Path.Combine(Folder, $"{kind}-{i}")))
            .Concat([Path.Combine(Folder, "inside"), Path.Combine(Folder, "inside", "inside")]);

    /// <summary>Starts the program and kills it so many milliseconds after it has saved each folder once; lets it save each once if null.</summary>
    private async Task Run(int? milliseconds)
    {
        var dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(dotnet) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { Path.Combine(AppContext.BaseDirectory, "Peft.Saving.TestHost.dll"), Folder, $"{Copies}" }) start.ArgumentList.Add(argument);
        if (milliseconds is null) start.ArgumentList.Add("once");
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        if (await process.StandardOutput.ReadLineAsync() is not "ready") throw new InvalidOperationException(await errors);
        if (milliseconds is { } time)
        {
            await Task.Delay(time);
            process.HasExited.ShouldBeFalse();
            process.Kill();
        }
        await process.WaitForExitAsync();
        if (milliseconds is null) process.ExitCode.ShouldBe(0, await errors);
    }

    /// <summary>The number that everything in a folder holds, read from its plain files as any program would.</summary>
    private static double Number(string folder)
    {
        var kind = Path.GetFileName(folder).Split('-')[0];
        if (kind != "inside") Directory.GetDirectories(folder, ".peft-*.written").ShouldBeEmpty("on Linux these are exchanged");
        double[] numbers = kind switch
        {
            "inside" => Opened(folder),
            "adapter" => [Alpha(folder), .. Tensors(Path.Combine(folder, AdapterCheckpoint.FileName))],
            "experts" => [.. new[] { "", "law", "code" }.SelectMany(part => Tensors(Path.Combine(folder, part, AdapterCheckpoint.FileName)))],
            "model" => [.. Weights(folder)],
            "tokenizer" => [.. new[] { "tokenizer_config.json", "special_tokens_map.json" }.Select(file => Fields(folder, file)["mark"]!.GetValue<string>() == "odd" ? 1.0 : 0)],
            "files" => [.. new[] { "a.txt", "deep/b.txt" }.Select(file => double.Parse(File.ReadAllText(Path.Combine(folder, file)), System.Globalization.CultureInfo.InvariantCulture))],
            _ => throw new InvalidOperationException(folder),
        };
        numbers.Length.ShouldBeGreaterThan(1);
        numbers.Distinct().Count().ShouldBe(1, $"{folder}: {string.Join(", ", numbers)}");
        if (kind == "experts") File.Exists(Path.Combine(folder, "law", AdapterConfig.FileName)).ShouldBeTrue();
        if (kind == "tokenizer") Tokenizer.FromPretrained(folder).Encode("Once").ShouldNotBeEmpty();
        return numbers[0];
    }

    // Of a killed run the last line and the last event may be half; the host itself refuses checkpoints that are not whole.
    private static void ShouldHaveWholeLogs(string folder)
    {
        var lines = File.ReadAllText(Path.Combine(folder, "log.jsonl")).Split('\n');
        lines.SkipLast(1).Select(line => JsonNode.Parse(line)!["step"]!.GetValue<int>()).ShouldBe(Enumerable.Range(1, lines.Length - 1));
        foreach (var file in Directory.GetFiles(Path.Combine(folder, "board")))
        {
            // TFRecord: length, its checksum, data, their checksum.
            var bytes = File.ReadAllBytes(file);
            for (var at = 0; bytes.Length - at >= 12;)
            {
                var crc = ~bytes.AsSpan(at, 8).ToArray().Aggregate(uint.MaxValue, BitOperations.Crc32C);
                BitConverter.ToUInt32(bytes, at + 8).ShouldBe(((crc >> 15) | (crc << 17)) + 0xa282ead8, $"{file} at {at}");
                at += 16 + (int)BitConverter.ToInt64(bytes, at);
            }
        }
    }

    // Where the folder is not exchanged, this library finds one save, since it finishes what was begun.
    private static double[] Opened(string folder)
    {
        using var saved = SavedAdapter.Open(folder);
        return [((LoraOptions)saved.Options).Alpha, .. Values(saved.Tensors)];
    }

    private static IEnumerable<double> Weights(string folder)
    {
        var index = Path.Combine(folder, "model.safetensors.index.json");
        File.Exists(index).ShouldNotBe(File.Exists(Path.Combine(folder, "model.safetensors")), folder);
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json"))).ShouldNotBeNull();
        string[] files = File.Exists(index) ? [.. Fields(folder, Path.GetFileName(index))["weight_map"]!.AsObject().Select(pair => pair.Value!.GetValue<string>()).Distinct()] : ["model.safetensors"];
        Directory.GetFiles(folder, "*.safetensors").Select(Path.GetFileName).ShouldBe(files, ignoreOrder: true);
        return files.SelectMany(file => Tensors(Path.Combine(folder, file)));
    }

    private static double[] Tensors(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return Values(file);
    }

    private static double[] Values(ITensorSource file)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        return [.. file.Tensors.Keys.SelectMany(key => { var tensor = file.Read(key).to_type(ScalarType.Float64); return new[] { tensor.min().item<double>(), tensor.max().item<double>() }; })];
    }

    private static double Alpha(string folder) => Fields(folder, AdapterConfig.FileName)["lora_alpha"]!.GetValue<double>();

    private static JsonNode Fields(string folder, string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, file)))!;
}
