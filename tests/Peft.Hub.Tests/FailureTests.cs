using System.Net.Sockets;

namespace Peft.Hub.Tests;

public sealed class FailureTests : HubFixture
{
    private static bool IsConfig(FakeRequest request) => request.Address.AbsolutePath.EndsWith("/config.json", StringComparison.Ordinal);

    [Theory]
    [InlineData("config.json")]
    [InlineData("model.safetensors")]
    public async Task A_wrong_hash_is_an_error_and_leaves_nothing_behind(string file)
    {
        var etag = Hub.Small.TryGetValue(file, out var small) ? FakeHub.GitHash(small) : FakeHub.Sha256(Hub.Large[file]);
        Hub.Fault = request => request.Method == "GET" && (IsStorage(request) || IsConfig(request)) && Hub.Usual(request) is { } reply
            ? reply with { Body = [.. reply.Body[..^1], (byte)(reply.Body[^1] ^ 1)] } : null;
        var error = await FailAsync(hub => hub.DownloadFileAsync("org/tiny", file));
        error.Reason.ShouldBe(HubError.HashMismatch);
        error.Message.ShouldContain(file);
        error.Message.ShouldContain(etag);
        File.Exists(Path.Combine(Repository, "blobs", etag)).ShouldBeFalse();
        File.Exists(Path.Combine(Snapshot, file)).ShouldBeFalse();
        Hub.Fault = _ => null;
        await DownloadAsync();
        ShouldBeWhole();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_file_of_another_size_never_gets_its_name(int more)
    {
        Hub.Fault = request => IsStorage(request) && request.From is null ? new(200, new byte[(1 << 20) + more]) : null;
        var error = await FailAsync(hub => hub.DownloadFileAsync("org/tiny", "model.safetensors"), Options with { Retries = 0 });
        error.Reason.ShouldBe(more > 0 ? HubError.HashMismatch : HubError.Unreachable);
        Directory.GetFiles(Path.Combine(Repository, "blobs")).ShouldAllBe(path => path.EndsWith(".incomplete"));
        Directory.Exists(Snapshot).ShouldBeFalse();
    }

    [Fact]
    public async Task A_busy_server_is_asked_again_when_it_says()
    {
        Hub.FailFirst(1, IsListing, _ => FakeReply.Error(429, ("Retry-After", "7")));
        await DownloadAsync();
        Clock.Pauses.ShouldBe([TimeSpan.FromSeconds(7)]);
        ShouldBeWhole();
    }

    [Fact]
    public async Task The_hubs_own_header_for_limits_is_understood()
    {
        Hub.FailFirst(1, IsListing, _ => FakeReply.Error(429, ("RateLimit", "\"api\";r=0;t=55")));
        await DownloadAsync();
        Clock.Pauses.ShouldBe([TimeSpan.FromSeconds(55)]);
    }

    [Fact]
    public async Task A_date_to_come_back_at_goes_by_the_clock()
    {
        Hub.FailFirst(1, IsStorage, _ => FakeReply.Error(503, ("Retry-After", Clock.GetUtcNow().AddSeconds(20).ToString("R"))));
        await DownloadAsync();
        Clock.Pauses.ShouldBe([TimeSpan.FromSeconds(20)]);
        ShouldBeWhole();
    }

    [Fact]
    public async Task A_server_that_asks_for_hours_is_not_waited_for()
    {
        Hub.Fault = _ => FakeReply.Error(429, ("Retry-After", "7200"));
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.Unreachable);
        error.Message.ShouldContain("02:00:00");
        Clock.Pauses.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(504)]
    public async Task Failures_of_the_server_are_retried_with_longer_and_longer_pauses(int status)
    {
        Hub.Fault = request => IsListing(request) ? FakeReply.Error(status) : null;
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.Unreachable);
        error.Message.ShouldContain($"{status}");
        error.Message.ShouldContain("HF_ENDPOINT");
        Clock.Pauses.Select(pause => pause.TotalSeconds).ShouldBe([1, 2, 4, 8, 16]);
    }

    [Fact]
    public async Task Where_nothing_listens_the_error_names_the_address()
    {
        using var closed = new TcpListener(System.Net.IPAddress.Loopback, 0);
        closed.Start();
        var address = $"http://{closed.LocalEndpoint}";
        closed.Stop();
        var error = await FailAsync(options: Options with { Endpoint = address, Handler = null, Retries = 2 });
        error.Reason.ShouldBe(HubError.Unreachable);
        error.Message.ShouldContain(address);
        Clock.Pauses.Count.ShouldBe(2);
    }

    public static TheoryData<int, string, bool, HubError, string> Refusals => new()
    {
        { 404, "RepoNotFound", true, HubError.RepositoryNotFound, "private" },
        { 401, "", false, HubError.RepositoryNotFound, "HF_TOKEN" },
        { 401, "", true, HubError.Unauthorized, "settings/tokens" },
        { 403, "", true, HubError.Unauthorized, "token" },
        { 403, "GatedRepo", true, HubError.Gated, "accept its license at https://hub.test/org/tiny" },
        { 401, "GatedRepo", false, HubError.Gated, "HF_TOKEN" },
        { 404, "RevisionNotFound", true, HubError.RevisionNotFound, "main" },
        { 404, "", true, HubError.RepositoryNotFound, "org/tiny" },
        { 418, "", true, HubError.InvalidAnswer, "418" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public async Task A_refusal_says_what_to_do(int status, string code, bool withToken, HubError reason, string said)
    {
        Hub.Fault = _ => FakeReply.Error(status, ("X-Error-Code", code), ("X-Error-Message", "as the server says"));
        var error = await FailAsync(options: Options with { Token = withToken ? "secret" : "" });
        error.Reason.ShouldBe(reason);
        error.Message.ShouldContain(said);
        error.Message.ShouldContain("as the server says");
        error.Message.ShouldNotContain("secret");
        Hub.Requests.ShouldHaveSingleItem().Token.ShouldBe(withToken ? "Bearer secret" : null);
    }

    [Fact]
    public async Task A_gated_model_may_be_listed_and_its_files_refused()
    {
        Hub.Fault = request => IsListing(request) ? null : FakeReply.Error(403, ("X-Error-Code", "GatedRepo"));
        (await FailAsync()).Reason.ShouldBe(HubError.Gated);
        File.Exists(Path.Combine(Repository, "refs", "main")).ShouldBeFalse();
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        var error = await FailAsync(hub => hub.DownloadFileAsync("org/tiny", "vocab.txt"));
        error.Reason.ShouldBe(HubError.EntryNotFound);
        error.Message.ShouldContain("vocab.txt");
    }

    [Fact]
    public async Task A_repository_without_anything_useful_says_what_it_holds()
    {
        var error = await FailAsync(hub => hub.DownloadAdapterAsync("org/tiny"));
        error.Reason.ShouldBe(HubError.EntryNotFound);
        error.Message.ShouldContain("model.safetensors");
    }

    [Theory]
    [InlineData("<html>sign in to the network</html>")]
    [InlineData("{}")]
    [InlineData("""{"sha":"main","siblings":[]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":7}]}""")]
    public async Task An_answer_that_is_not_the_hubs_is_refused(string body)
    {
        Hub.Fault = _ => new(200, System.Text.Encoding.UTF8.GetBytes(body));
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.InvalidAnswer);
        error.Message.ShouldContain("HF_ENDPOINT");
    }

    [Fact]
    public async Task A_full_disk_is_found_before_the_download()
    {
        using var client = new HubClient(HubSettings.From(Options, _ => null) with { FreeSpace = _ => 1000 });
        var error = await Should.ThrowAsync<HubException>(() => client.DownloadFileAsync("org/tiny", "model.safetensors"));
        error.Reason.ShouldBe(HubError.NoSpace);
        error.Message.ShouldContain(Cache);
        Hub.Requests.Count(IsStorage).ShouldBe(0);
    }

    [Fact]
    public async Task A_cache_that_cannot_be_written_is_named()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Cache)!);
        File.WriteAllText(Cache, "a file in the folder's place");
        var error = await FailAsync();
        error.Reason.ShouldBe(HubError.CacheUnusable);
        error.Message.ShouldContain(Cache);
    }
}
