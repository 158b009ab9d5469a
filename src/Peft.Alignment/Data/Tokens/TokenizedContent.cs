using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Peft;

/// <summary>The hash of everything that tokenized rows follow from: the rows, the tokenizer with its chat template, and the settings.</summary>
internal static class TokenizedContent
{
    // Increase it when the same content gives other tokens or another format.
    private const string Version = "1";

    public static string Hash(Dataset data, Tokenizer tokenizer, object settings, ChatTemplateOptions template)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, Version);
        Append(hash, settings.GetType().Name);
        Append(hash, JsonSerializer.Serialize(settings, settings.GetType(), Settings));
        AppendTokenizer(hash, tokenizer, template);
        foreach (var row in data) Append(hash, row.Fields.ToJsonString());
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AppendTokenizer(IncrementalHash hash, Tokenizer tokenizer, ChatTemplateOptions template)
    {
        var folder = Directory.CreateTempSubdirectory("peft-tokenizer-").FullName;
        try
        {
            tokenizer.Save(folder);
            foreach (var file in Directory.GetFiles(folder).Order(StringComparer.Ordinal))
            {
                Append(hash, Path.GetFileName(file));
                hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        foreach (var source in tokenizer.ChatTemplate?.Sources ?? [])
        {
            Append(hash, source);
            // Such a template writes the current date into each conversation.
            if (source.Contains("strftime_now", StringComparison.Ordinal)) Append(hash, template.Clock.GetLocalNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        }
    }

    // With its length, so that two texts cannot be divided differently.
    private static void Append(IncrementalHash hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.GetBytes(bytes.Length));
        hash.AppendData(bytes);
    }

    private static readonly JsonSerializerOptions Settings = new() { Converters = { new TemplateConverter() } };
}
