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
