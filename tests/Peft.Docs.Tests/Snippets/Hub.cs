using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Hub : InFolder
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    [Fact]
    public void Models_and_adapters_by_their_ids()
    {
        using (var trained = CausalLM.FromPretrained("models/stories260K"))
        using (var adapter = trained.ApplyLora()) adapter.SaveAdapter("shakespeare");
        Cache("org/stories", "models/stories260K");
        Cache("org/shakespeare", "shakespeare");
        var options = new LoadOptions { Revision = "main", Hub = new() { CacheFolder = "cache", Offline = true } };

        // snippet: hub
        using var model = CausalLM.FromPretrained("org/stories", options);
        var tokenizer = Tokenizer.FromPretrained("org/stories", options);   // fetches the tokenizer's files only

        using var hub = new HubClient(options.Hub);
        using var peft = model.ApplyAdapter(hub.DownloadAdapter("org/shakespeare"));
        // end

        model.NameOrPath.ShouldBe("org/stories");
        tokenizer.VocabularySize.ShouldBe(512);
        peft.Status().ShouldNotBeEmpty();
    }

    /// <summary>Puts a folder into the cache, under an id.</summary>
    internal static void Cache(string id, string folder)
    {
        var repository = Path.Combine("cache", "models--" + id.Replace("/", "--", StringComparison.Ordinal));
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        File.WriteAllText(Path.Combine(repository, "refs", "main"), Commit);
        var snapshot = Directory.CreateDirectory(Path.Combine(repository, "snapshots", Commit)).FullName;
        foreach (var file in Directory.GetFiles(folder)) File.Copy(file, Path.Combine(snapshot, Path.GetFileName(file)));
    }
}
