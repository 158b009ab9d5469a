using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>Where the tool opens data: text files, and JSON Lines whose form is recognised by the fields of the first row.</summary>
internal static class DataFiles
{
    /// <summary>Rows for language modelling: blocks of a text file, or whatever <c>sft</c> reads.</summary>
    public static TrainingDataset Language(string path, Tokenizer tokenizer, int blockSize, int maxLength, ILogger logger)
    {
        if (!IsJson(path)) return TextDataset.FromFile(path, tokenizer, blockSize);
        var fields = FieldsOf(path);
        return fields.Contains("prompt") && fields.Contains("completion")
            ? InstructionDataset.FromFile(path, tokenizer, new() { MaxLength = maxLength }, logger)
            : Supervised(path, tokenizer, maxLength, logger);
    }

    /// <summary>Rows of <c>text</c>, <c>prompt</c> and <c>completion</c>, or <c>messages</c>.</summary>
    public static TrainingDataset Supervised(string path, Tokenizer tokenizer, int maxLength, ILogger logger)
    {
        Require(path, ["text"], ["prompt", "completion"], ["messages"]);
        return SftDataset.FromFile(path, tokenizer, new() { MaxLength = maxLength }, logger);
    }

    /// <summary>Pairs: <c>chosen</c> and <c>rejected</c>, with or without <c>prompt</c>.</summary>
    public static TrainingDataset Preferences(string path, Tokenizer tokenizer, int maxLength, ILogger logger)
    {
        Require(path, ["chosen", "rejected"]);
        return PreferenceDataset.FromFile(path, tokenizer, new() { MaxLength = maxLength }, logger);
    }

    /// <summary>Pairs for a reward model.</summary>
    public static TrainingDataset Rewards(string path, Tokenizer tokenizer, int maxLength, ILogger logger)
    {
        Require(path, ["chosen", "rejected"]);
        return RewardDataset.FromFile(path, tokenizer, new() { MaxLength = maxLength }, logger);
    }

    /// <summary>Prompts, with further fields for the reward functions.</summary>
    public static PromptDataset Prompts(string path, Tokenizer tokenizer, int maxLength, ILogger logger)
    {
        Require(path, ["prompt"]);
        return PromptDataset.FromFile(path, tokenizer, new() { MaxLength = maxLength }, logger);
    }

    private static bool IsJson(string path) => Path.GetExtension(path).ToUpperInvariant() is ".JSONL" or ".JSON" or ".NDJSON";

    private static void Require(string path, params string[][] forms)
    {
        var fields = FieldsOf(path);
        if (!forms.Any(form => form.All(fields.Contains)))
            throw new ToolException($"{path} has rows with {string.Join(", ", fields.Select(field => $"\"{field}\""))}, but this command reads rows with {string.Join(", or with ", forms.Select(form => string.Join(" and ", form.Select(field => $"\"{field}\""))))}.");
    }

    private static HashSet<string> FieldsOf(string path)
    {
        try
        {
            var line = File.ReadLines(path).FirstOrDefault(line => !string.IsNullOrWhiteSpace(line)) ?? throw new ToolException($"{path} is empty.");
            return JsonNode.Parse(line) is JsonObject row ? [.. row.Select(field => field.Key)] : throw new ToolException($"{path} is not JSON Lines: its first line is no JSON object.");
        }
        catch (JsonException error)
        {
            throw new ToolException($"{path} is not JSON Lines: its first line is no JSON object ({error.Message}). Name a text file .txt.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ToolException($"The data {path} cannot be read: {error.Message}", error);
        }
    }
}
