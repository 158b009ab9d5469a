namespace Peft.Hub.Tests;

public sealed class CacheTests : HubFixture
{
    private static readonly string[] PythonsLayout = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Data", "hub", "python-layout.txt"));

    /// <summary>The list was made by snapshot_download of huggingface_hub 1.29 from a server with the same files; only the text of CACHEDIR.TAG is not compared.</summary>
    [Fact]
    public async Task The_cache_is_what_Pythons_client_makes()
    {
        var folder = await DownloadAsync();
        folder.ShouldBe(Snapshot);
        // Locks are named by the blobs; Windows writes its own separator into links.
        Layout().Select(line => line.Replace('\\', '/')).ShouldBe(PythonsLayout);
    }

    [Fact]
    public async Task Git_names_small_files_by_the_hash_that_is_checked()
    {
        Hub.Small["config.json"] = "hello\n"u8.ToArray();   // git hash-object: ce013625030ba8dba906f756967f9e9ca394464a
        await DownloadAsync();
        File.ReadAllText(Path.Combine(Repository, "blobs", "ce013625030ba8dba906f756967f9e9ca394464a")).ShouldBe("hello\n");
    }

    [Fact]
    public async Task A_second_call_asks_once_whether_the_revision_moved()
    {
        await DownloadAsync();
        Hub.Requests.Clear();
        (await DownloadAsync()).ShouldBe(Snapshot);
        Hub.Paths.ShouldBe(["GET /api/models/org/tiny/revision/main"]);
    }

    [Fact]
    public async Task A_commit_that_is_cached_is_not_asked_about()
    {
        await WithAsync(hub => hub.DownloadModelAsync("org/tiny", FakeHub.Commit));
        Hub.Requests.Clear();
        await WithAsync(hub => hub.DownloadModelAsync("org/tiny", FakeHub.Commit));
        await WithAsync(hub => hub.DownloadFileAsync("org/tiny", "config.json", FakeHub.Commit));
        Hub.Requests.ShouldBeEmpty();
        Directory.Exists(Path.Combine(Repository, "refs")).ShouldBeFalse();
    }

    [Fact]
    public async Task Offline_nothing_is_sent_and_the_cache_serves()
    {
        await DownloadAsync();
        Hub.Requests.Clear();
        var offline = Options with { Offline = true };
        (await DownloadAsync(offline)).ShouldBe(Snapshot);
        ShouldHold(await WithAsync(hub => hub.DownloadFileAsync("org/tiny", "tokenizer.json"), offline), Hub.Small["tokenizer.json"]);
        (await FailAsync(hub => hub.DownloadFileAsync("org/tiny", "vocab.txt"), offline)).Reason.ShouldBe(HubError.NotCached);
        Hub.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Offline_a_model_that_is_not_cached_is_a_clear_error()
    {
        var error = await FailAsync(options: Options with { Offline = true });
        error.Reason.ShouldBe(HubError.NotCached);
        error.Message.ShouldContain("HF_HUB_OFFLINE");
        error.Message.ShouldContain(Cache);
        error.Message.ShouldContain("org/tiny");
        Hub.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Offline_a_model_of_which_files_are_missing_is_not_taken_for_whole()
    {
        await DownloadAsync();
        File.Delete(Path.Combine(Snapshot, "model.safetensors"));
        (await FailAsync(options: Options with { Offline = true })).Reason.ShouldBe(HubError.NotCached);
    }

    [Fact]
    public async Task A_hub_that_does_not_answer_is_no_reason_to_refuse_a_cached_model()
    {
        await DownloadAsync();
        Hub.Fault = _ => FakeReply.Error(503);
        (await DownloadAsync()).ShouldBe(Snapshot);
        File.Exists(await WithAsync(hub => hub.DownloadFileAsync("org/tiny", "config.json"))).ShouldBeTrue();
        Clock.Pauses.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_new_commit_shares_the_blobs_that_did_not_change()
    {
        await DownloadAsync();
        Hub.Requests.Clear();
        Hub.Main = new string('a', 40);
        Hub.Small["config.json"] = "{}"u8.ToArray();
        await DownloadAsync();
        ShouldBeWhole();
        Hub.Requests.Count(IsStorage).ShouldBe(0);
        File.ReadAllText(Path.Combine(Repository, "refs", "main")).ShouldBe(Hub.Main);
        File.ReadAllText(Path.Combine(Snapshot, "config.json")).ShouldContain("llama");
    }

    [Fact]
    public async Task Where_links_are_not_possible_snapshots_hold_files()
    {
        var settings = HubSettings.From(Options, name => name == "HF_HUB_DISABLE_SYMLINKS" ? "1" : null);
        using (var client = new HubClient(settings)) await client.DownloadModelAsync("org/tiny");
        ShouldBeWhole();
        Layout().ShouldNotContain(line => line.Contains("->"));
        Hub.Requests.Clear();
        await DownloadAsync();
        Hub.Requests.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Without_links_a_blob_that_was_there_is_copied_and_stays()
    {
        await DownloadAsync();
        Hub.Main = new string('b', 40);
        using (var client = new HubClient(HubSettings.From(Options, name => name == "HF_HUB_DISABLE_SYMLINKS" ? "1" : null))) await client.DownloadModelAsync("org/tiny");
        ShouldBeWhole();
        ShouldHold(Path.Combine(Snapshot, "model.safetensors"), Hub.Large["model.safetensors"]);
    }

    [Fact]
    public async Task A_link_whose_blob_is_gone_is_mended()
    {
        await DownloadAsync();
        foreach (var blob in Directory.GetFiles(Path.Combine(Repository, "blobs"))) File.Delete(blob);
        await DownloadAsync();
        ShouldBeWhole();
    }

    [Fact]
    public async Task Progress_tells_bytes_and_totals()
    {
        var told = new List<HubProgress>();
        await DownloadAsync(Options with { Progress = new Listener(told.Add) });
        var total = Hub.Small.Concat(Hub.Large).Sum(file => file.Value.LongLength);
        told.ShouldAllBe(each => each.Repository == "org/tiny" && each.TotalBytes == total && each.Bytes <= total && each.FileBytes <= each.FileSize);
        told[^1].Bytes.ShouldBe(total);
        told.Where(each => each.FileBytes == each.FileSize).Select(each => each.File).Order().ShouldBe(Hub.Small.Concat(Hub.Large).Select(file => file.Key).Order());
    }

    [Fact]
    public async Task Two_clients_that_want_the_same_model_fetch_it_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => DownloadAsync(Options with { TimeProvider = TimeProvider.System }))));
        ShouldBeWhole();
        Hub.Requests.Count(IsStorage).ShouldBe(1);
    }

    [Fact]
    public async Task A_download_waits_for_who_holds_the_lock()
    {
        var path = Path.Combine(Cache, ".locks", "models--org--tiny", FakeHub.GitHash(Hub.Small["config.json"]) + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Task<string> waiting;
        using (new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
        {
            waiting = WithAsync(hub => hub.DownloadFileAsync("org/tiny", "config.json"));
            while (Clock.Pauses.Count < 3) await Task.Yield();   // it looked again and again
            waiting.IsCompleted.ShouldBeFalse();
        }
        ShouldHold(await waiting, Hub.Small["config.json"]);
    }

    private sealed class Listener(Action<HubProgress> tell) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => tell(value);
    }
}
