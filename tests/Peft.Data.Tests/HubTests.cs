using Peft.Hub.Tests;

namespace Peft.Data.Tests;

public sealed class HubTests : HubFixture
{
    public HubTests()
    {
        Hub.IsDataset = true;
        Hub.Small.Clear();
        Hub.Large.Clear();
        Hub.Small["README.md"] = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train.jsonl\n---\n"u8.ToArray();
        Hub.Small["data/train.jsonl"] = "{\"text\": \"from the hub\"}\n"u8.ToArray();
        Hub.Small["picture.png"] = [1, 2, 3];
    }

    private DatasetOptions FromHub => new() { Hub = Options };

    [Fact]
    public void A_dataset_comes_from_the_hub_by_its_name()
    {
        Dataset.Load("org/tiny", FromHub).Single().Fields["text"]!.GetValue<string>().ShouldBe("from the hub");
        Hub.Paths.ShouldContain("GET /api/datasets/org/tiny/revision/main");
        Hub.Paths.ShouldContain($"GET /datasets/org/tiny/resolve/{FakeHub.Commit}/data/train.jsonl");
        Hub.Paths.ShouldNotContain(path => path.EndsWith("picture.png", StringComparison.Ordinal));
        Directory.Exists(Path.Combine(Cache, "datasets--org--tiny", "snapshots", FakeHub.Commit)).ShouldBeTrue("as Python's client stores it");
        Dataset.Splits("org/tiny", FromHub).ShouldBe(["train"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Only_the_files_of_the_split_are_downloaded(bool hasCard)
    {
        if (!hasCard) Hub.Small.Remove("README.md");
        else Hub.Small["README.md"] = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train*\n  - split: test\n    path: data/test.jsonl\n---\n"u8.ToArray();
        Hub.Small[".gitattributes"] = "*.parquet filter=lfs"u8.ToArray();
        Hub.Small["data/train-2.jsonl"] = "{\"text\": \"the second\"}\n"u8.ToArray();
        Hub.Small["data/test.jsonl"] = "{\"text\": \"a test\"}\n"u8.ToArray();
        Dataset.Splits("org/tiny", FromHub).ShouldBe(["train", "test"], ignoreOrder: true);
        Downloaded.ShouldBeEmpty();
        Dataset.Load("org/tiny", FromHub).Count().ShouldBe(2);
        Downloaded.ShouldBe(["data/train-2.jsonl", "data/train.jsonl"]);
        Should.Throw<HubException>(() => Dataset.Load("org/tiny", new() { Split = "test", Hub = Options with { Offline = true } }), "not downloaded");
        Dataset.Load("org/tiny", FromHub with { Split = "test" }).Single().Fields["text"]!.GetValue<string>().ShouldBe("a test");
        Dataset.Load("org/tiny", new() { Split = "test", Hub = Options with { Offline = true } }).Count().ShouldBe(1);
        Dataset.Load("org/tiny", FromHub with { Files = ["data/train-*.jsonl"] }).Count().ShouldBe(1);
        Downloaded.ShouldBe(["data/test.jsonl", "data/train-2.jsonl", "data/train.jsonl"]);
    }

    private IEnumerable<string> Downloaded => Hub.Paths.Select(path => path.Split($"/resolve/{FakeHub.Commit}/")).Where(parts => parts is [_, ['d', ..]]).Select(parts => parts[1]).Distinct().Order(StringComparer.Ordinal);

    [Fact]
    public void A_dataset_that_was_loaded_is_there_offline()
    {
        Dataset.Load("org/tiny", FromHub);
        Dataset.Load("org/tiny", new() { Hub = Options with { Offline = true } }).Count().ShouldBe(1);
    }

    [Fact]
    public void A_dataset_that_the_hub_lacks_is_refused()
        => Should.Throw<HubException>(() => Dataset.Load("org/other", FromHub)).Message.ShouldContain("There is no file or folder 'org/other'");

    [Fact]
    public async Task A_file_of_a_dataset_is_downloaded()
    {
        var folder = await WithAsync(hub => hub.DownloadDatasetAsync("org/tiny", filter: name => name.EndsWith(".png", StringComparison.Ordinal)));
        File.ReadAllBytes(Path.Combine(folder, "picture.png")).ShouldBe([1, 2, 3]);
        File.Exists(Path.Combine(folder, "README.md")).ShouldBeFalse();
    }
}
