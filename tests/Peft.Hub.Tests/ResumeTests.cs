namespace Peft.Hub.Tests;

public sealed class ResumeTests : HubFixture
{
    private const int Half = 1 << 19;

    private string Incomplete => Path.Combine(Repository, "blobs", FakeHub.Sha256(Hub.Large["model.safetensors"]) + ".incomplete");

    private FakeReply Cut(FakeRequest request) => Hub.Usual(request) with { CutAfter = Half };

    private IEnumerable<long?> Ranges => Hub.Requests.Where(IsStorage).Select(request => request.From);

    [Fact]
    public async Task A_connection_that_is_really_cut_is_taken_up_where_it_ended()
    {
        await using var server = new FakeServer(Hub);
        Hub.FailFirst(1, IsStorage, Cut);
        await DownloadAsync(Options with { Endpoint = Hub.Address, Handler = null });
        ShouldBeWhole();
        Ranges.Count().ShouldBe(2);
        Ranges.Last().ShouldBe(Half);
        Hub.Requests.ShouldAllBe(request => (request.Token == "Bearer secret") == (request.Address.Host == "127.0.0.1"));
    }

    [Fact]
    public async Task A_later_call_goes_on_with_what_an_earlier_one_left()
    {
        Hub.Fault = request => IsStorage(request) ? Cut(request) : null;
        (await FailAsync(options: Options with { Retries = 0 })).Reason.ShouldBe(HubError.Unreachable);
        new FileInfo(Incomplete).Length.ShouldBe(Half);
        Directory.Exists(Path.Combine(Repository, "refs")).ShouldBeFalse();   // the revision is not here before its files are

        Hub.Fault = _ => null;
        Hub.Requests.Clear();
        await DownloadAsync();
        Ranges.ShouldBe([Half]);
        ShouldBeWhole();
    }

    [Fact]
    public async Task A_cancelled_download_keeps_what_has_come()
    {
        using var stop = new CancellationTokenSource();
        Hub.Fault = request => IsStorage(request) ? Hub.Usual(request) with { CutAfter = Half, FallsSilent = true } : null;
        var options = Options with { Handler = new FakeHandler(Hub, stop.Cancel) };
        await Should.ThrowAsync<OperationCanceledException>(() => WithAsync(hub => hub.DownloadModelAsync("org/tiny", cancellationToken: stop.Token), options));
        new FileInfo(Incomplete).Length.ShouldBe(Half);
        Hub.Fault = _ => null;
        await DownloadAsync();
        ShouldBeWhole();
    }

    [Fact]
    public async Task Each_byte_starts_the_count_of_failures_anew()
    {
        var step = 1 << 17;
        Hub.Fault = request => IsStorage(request) && Hub.Usual(request) is { } whole && whole.Body.Length > step ? whole with { CutAfter = step } : null;
        await DownloadAsync(Options with { Retries = 1 });
        ShouldBeWhole();
        Ranges.Count().ShouldBe((1 << 20) / step);
    }

    [Fact]
    public async Task A_file_that_changed_in_between_starts_from_its_beginning()
    {
        Hub.Fault = request => IsStorage(request) ? Cut(request) : null;
        await FailAsync(options: Options with { Retries = 0 });
        Hub.Fault = _ => null;
        Hub.Requests.Clear();
        Hub.Main = new string('c', 40);
        Hub.Large["model.safetensors"] = [.. Hub.Large["model.safetensors"].Reverse()];
        await DownloadAsync();
        Ranges.ShouldBe([null]);
        ShouldHold(Path.Combine(Repository, "snapshots", Hub.Main, "model.safetensors"), Hub.Large["model.safetensors"]);
    }

    [Fact]
    public async Task A_file_that_changes_while_it_is_fetched_starts_from_its_beginning()
    {
        var before = Hub.Large["model.safetensors"];
        var after = before.Reverse().ToArray();
        Hub.FailFirst(1, IsStorage, request =>
        {
            var reply = Cut(request);
            Hub.Large["model.safetensors"] = after;
            return reply;
        });
        var path = await WithAsync(hub => hub.DownloadFileAsync("org/tiny", "model.safetensors"));
        ShouldHold(path, after);
        Ranges.Last().ShouldBeNull();
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_sends_the_file_again()
    {
        Hub.FailFirst(1, IsStorage, Cut);
        var fail = Hub.Fault;
        Hub.Fault = request => fail(request) ?? (IsStorage(request) ? Hub.Usual(request with { From = null }) : null);
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBe([null, Half]);
    }

    [Theory]
    [InlineData(416)]
    [InlineData(206)]
    public async Task A_server_that_sends_another_part_is_asked_for_the_whole(int status)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        File.WriteAllBytes(Incomplete, Hub.Large["model.safetensors"][..Half]);
        Hub.FailFirst(1, IsStorage, request => status == 416 ? FakeReply.Error(416) : Hub.Usual(request with { From = Half + 1 }));
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBe([Half, null]);
    }

    [Fact]
    public async Task A_damaged_start_is_fetched_again()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        File.WriteAllBytes(Incomplete, new byte[Half]);
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBe([Half, null]);
    }

    [Fact]
    public async Task What_is_complete_but_has_no_name_yet_is_checked_and_named()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        File.WriteAllBytes(Incomplete, Hub.Large["model.safetensors"]);
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBeEmpty();
    }

    [Fact]
    public async Task More_than_the_file_is_thrown_away()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Incomplete)!);
        File.WriteAllBytes(Incomplete, new byte[(1 << 20) + 1]);
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBe([null]);
    }

    [Fact]
    public async Task Silence_counts_as_a_cut_connection()
    {
        Hub.FailFirst(1, IsStorage, request => Cut(request) with { FallsSilent = true });
        await DownloadAsync();
        ShouldBeWhole();
        Ranges.ShouldBe([null, Half]);
        Clock.Pauses.ShouldBe([TimeSpan.FromSeconds(1)]);
    }
}
