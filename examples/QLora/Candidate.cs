using Peft;
using Peft.Hub;
using Peft.Models;

namespace QLora;

/// <summary>A model that might fit.</summary>
/// <param name="Name">Folder, or id on the hub.</param>
/// <param name="Config">Its configuration.</param>
internal sealed record Candidate(string Name, ModelConfig Config)
{
    /// <summary>The adapter: LoRA on all linear modules, as QLoRA has it.</summary>
    public static LoraOptions Adapter => new() { Rank = 16, Alpha = 32, TargetModules = ModuleSelector.AllLinear };

    /// <summary>Reads the configuration alone, from a folder or from the hub; null, with a line on the console, if it cannot be had.</summary>
    public static Candidate? Open(string name)
    {
        try
        {
            if (Directory.Exists(name)) return new(name, ModelConfig.FromFolder(name));
            using var hub = new HubClient();
            var file = hub.DownloadFileAsync(name, "config.json").GetAwaiter().GetResult();
            return new(name, ModelConfig.Parse(File.ReadAllText(file)));
        }
        catch (HubException error)
        {
            Console.WriteLine($"{name} is left out: {error.Message}");
            return null;
        }
    }

    /// <summary>What training takes.</summary>
    public TrainingMemory Needs(Precision precision, int tokens) => TrainingMemory.Of(Config, Adapter, precision.Load, tokens, checkpointing: true);
}
