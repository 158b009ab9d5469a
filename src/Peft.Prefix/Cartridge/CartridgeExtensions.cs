using Peft.Checkpoints;

namespace Peft;

/// <summary>Extension methods that apply cartridges to decoders.</summary>
public static class CartridgeExtensions
{
    /// <summary>Freezes a decoder and prepends a trainable KV cache to its input, initialized with the keys and values of a text.</summary>
    /// <param name="text">The text that the cartridge represents.</param>
    /// <include file="../../Apply.xml" path="docs/text/*"/>
    public static PeftModel ApplyCartridge(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
        => model.Attach(new CartridgeOptions().From(text, tokenizer, virtualTokens));

    /// <summary>Concatenates saved cartridges into one that represents all of their texts. The first cartridge's frozen tokens stay frozen.</summary>
    /// <param name="folders">The saved cartridges, at least two.</param>
    /// <param name="output">Folder of the new cartridge.</param>
    /// <exception cref="AdapterMismatchException">A folder holds no cartridge, or the cartridges belong to models of different sizes.</exception>
    public static void Compose(IReadOnlyList<string> folders, string output)
    {
        ArgumentNullException.ThrowIfNull(folders);
        if (folders.Count < 2) throw new ArgumentException($"Composing needs at least two cartridges, but there are {folders.Count}.", nameof(folders));
        using var scope = NewDisposeScope();
        var options = folders.Select(folder => AdapterConfig.Read(folder) as CartridgeOptions ?? throw new AdapterMismatchException($"{folder} holds no cartridge.")).ToList();
        var first = options[0];
        var odd = options.FindIndex(each => (each.TokenSize, each.HeadCount, each.LayerCount, each.SubmoduleCount) != (first.TokenSize, first.HeadCount, first.LayerCount, first.SubmoduleCount));
        if (odd >= 0) throw new AdapterMismatchException($"The cartridges in {folders[0]} and {folders[odd]} belong to models of different sizes.");
        var all = cat([.. folders.Select(Tokens)], 0);
        AdapterCheckpoint.Write(output, first with { VirtualTokens = (int)all.size(0) }, new Dictionary<string, Tensor> { ["prompt_embeddings"] = all });
    }

    private static Tensor Tokens(string folder)
    {
        using var file = AdapterCheckpoint.OpenTensors(folder);
        return file.Read("prompt_embeddings");
    }
}
