using System.Net;

namespace Peft.Hub.Tests;

public sealed class UploadTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-upload-").FullName;
    private readonly byte[] weights = [.. Enumerable.Range(0, 1000).Select(i => (byte)(i * 7))];

    public UploadTests()
    {
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), "{}");
        File.WriteAllBytes(Path.Combine(folder, "adapter_model.safetensors"), weights);
        Directory.CreateDirectory(Path.Combine(folder, "sub"));
        File.WriteAllText(Path.Combine(folder, "sub", "note.txt"), "");
        File.WriteAllText(Path.Combine(folder, ".secret"), "no");
        Directory.CreateDirectory(Path.Combine(folder, ".git"));
        File.WriteAllText(Path.Combine(folder, ".git", "config"), "no");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(null)]
    [InlineData(300)]
    [InlineData(1000)]
    public async Task A_folder_arrives_whole_in_one_commit(int? partSize)
    {
        var hub = new UploadHub { PartSize = partSize };
        var commit = await UploadAsync(hub, new() { Message = "My adapter" });
        commit.ShouldBe(new HubCommit(FakeHub.Commit, "https://hub.test/org/new/commit/0123", 3, 1002));
        hub.Files.Keys.ShouldBe(["adapter_config.json", "adapter_model.safetensors", "sub/note.txt"], ignoreOrder: true);
        hub.Files["adapter_model.safetensors"].ShouldBe(weights);
        hub.Files["sub/note.txt"].ShouldBeEmpty();
        hub.Message.ShouldBe("My adapter");
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_never_to_the_storage()
    {
        var hub = new UploadHub();
        await UploadAsync(hub);
        hub.Tokens.Where(each => each.Host == "storage.test").ShouldAllBe(each => each.Token == null);
        hub.Tokens.Where(each => each.Host == "hub.test").ShouldAllBe(each => each.Token == "Bearer secret");
        hub.Tokens.ShouldContain(each => each.Host == "storage.test");
    }

    [Fact]
    public async Task What_the_hub_holds_is_not_sent_again()
    {
        var hub = new UploadHub();
        await UploadAsync(hub);
        hub.Requests.Clear();
        (await UploadAsync(hub)).Bytes.ShouldBe(2);
        hub.Requests.ShouldNotContain(request => request.StartsWith("PUT"));
    }

    [Fact]
    public async Task Failures_that_pass_are_tried_again()
    {
        var hub = new UploadHub();
        var times = 2;
        hub.Fault = request => request.StartsWith("PUT") && times-- > 0 ? (503, "busy") : null;
        await UploadAsync(hub);
        hub.Files["adapter_model.safetensors"].ShouldBe(weights);
        hub.Requests.Count(request => request.StartsWith("PUT")).ShouldBe(3);
    }

    [Fact]
    public async Task An_upload_may_take_longer_than_the_timeout_for_inactivity()
    {
        var hub = new UploadHub { LargeFrom = 100 };
        File.WriteAllBytes(Path.Combine(folder, "adapter_model.safetensors"), new byte[8 << 16]);
        using var client = new HubClient(new HubOptions { Endpoint = hub.Address, Token = "secret", Offline = false, Handler = new Handler(hub, pause: TimeSpan.FromMilliseconds(400)), Timeout = TimeSpan.FromSeconds(2), CacheFolder = folder });
        await client.UploadFolderAsync("org/new", folder, null, name => name == "adapter_model.safetensors");
        hub.Files["adapter_model.safetensors"].Length.ShouldBe(8 << 16);
    }

    [Theory]
    [InlineData(401, HubError.Unauthorized, "rejected the token")]
    [InlineData(403, HubError.Unauthorized, "write")]
    [InlineData(404, HubError.Unauthorized, "write")]
    [InlineData(400, HubError.InvalidAnswer, "too many files")]
    [InlineData(500, HubError.Unreachable, "uploaded to")]
    public async Task A_refusal_says_what_to_do_and_commits_nothing(int status, HubError reason, string text)
    {
        var hub = new UploadHub { Fault = request => request.Contains("preupload") ? (status, "too many files") : null };
        var error = await Should.ThrowAsync<HubException>(() => UploadAsync(hub));
        error.Reason.ShouldBe(reason);
        error.Message.ShouldContain(text);
        hub.Files.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_requests_of_a_renamed_repository_are_redirected()
    {
        var hub = new UploadHub();
        var commit = await UploadAsync(hub, to: "org/old", answer: request => request.RequestUri!.AbsolutePath.Contains("/org/old")
            ? new(HttpStatusCode.TemporaryRedirect) { Headers = { Location = new(request.RequestUri.PathAndQuery.Replace("/org/old", "/org/new"), UriKind.Relative) } } : null);
        commit.Files.ShouldBe(3);
        hub.Files["adapter_model.safetensors"].ShouldBe(weights);
    }

    [Fact]
    public async Task A_redirect_in_a_loop_is_refused()
    {
        var error = await Should.ThrowAsync<HubException>(() => UploadAsync(new(), answer: request => new(HttpStatusCode.TemporaryRedirect) { Headers = { Location = request.RequestUri } }));
        error.Message.ShouldContain("307");
    }

    [Fact]
    public async Task An_account_may_write_to_a_repository_that_it_may_not_create()
    {
        var hub = new UploadHub { Fault = request => request.Contains("/create") ? (403, "{\"error\":\"no rights under org\"}") : null };
        (await UploadAsync(hub)).Files.ShouldBe(3);
        hub.Fault = request => request.Contains("/create") ? (403, "{\"error\":\"no rights under org\"}") : request.Contains("preupload") ? (404, "") : null;
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub))).Message.ShouldEndWith("The server says: no rights under org");
    }

    [Fact]
    public async Task A_branch_that_does_not_exist_is_named()
    {
        var error = await Should.ThrowAsync<HubException>(() => UploadAsync(new(), new() { Revision = "dev" }, answer: request => request.RequestUri!.AbsolutePath.EndsWith("/preupload/dev")
            ? new(HttpStatusCode.NotFound) { Headers = { { "X-Error-Code", "RevisionNotFound" } } } : null));
        error.Reason.ShouldBe(HubError.RevisionNotFound);
        error.Message.ShouldContain("no branch 'dev'");
    }

    [Fact]
    public async Task A_refusal_of_the_storage_is_not_one_of_the_account()
    {
        var hub = new UploadHub { Fault = request => request.StartsWith("PUT") ? (403, "Request has expired") : null };
        var error = await Should.ThrowAsync<HubException>(() => UploadAsync(hub));
        error.Message.ShouldBe("The storage of org/new answered 403 (Forbidden). Nothing was committed. Try again: finished files are not sent again. The server says: Request has expired");
    }

    [Fact]
    public async Task An_answer_that_is_cut_off_is_requested_again()
    {
        var times = 2;
        var hub = new UploadHub();
        await UploadAsync(hub, answer: request => request.RequestUri!.AbsolutePath.Contains("preupload") && times-- > 0 ? new(HttpStatusCode.OK) { Content = new StreamContent(new Cut()) } : null);
        hub.Files["adapter_model.safetensors"].ShouldBe(weights);
    }

    [Fact]
    public async Task Large_files_report_their_progress_part_by_part()
    {
        var reports = new List<HubProgress>();
        var hub = new UploadHub { PartSize = 300 };
        await UploadAsync(hub, progress: new Reports(reports));
        reports.ShouldAllBe(each => each.File == "adapter_model.safetensors" && each.FileSize == 1000);
        reports[^1].FileBytes.ShouldBe(1000);
    }

    [Theory]
    [InlineData("preupload", "[]")]
    [InlineData("preupload", "<html>")]
    [InlineData("preupload", "{\"files\":[{\"uploadMode\":\"lfs\"}]}")]
    [InlineData("batch", "{\"objects\":[{\"oid\":\"unknown\"}]}")]
    [InlineData("batch", "{}")]
    [InlineData("commit", "{}")]
    public async Task An_answer_that_is_no_hubs_is_refused(string request, string body)
    {
        var hub = new UploadHub { Fault = each => each.Contains(request) ? (200, body) : null };
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub))).Reason.ShouldBe(HubError.InvalidAnswer);
    }

    [Fact]
    public async Task What_cannot_be_uploaded_is_refused_before_any_request()
    {
        var hub = new UploadHub();
        await Should.ThrowAsync<ArgumentException>(() => UploadAsync(hub, from: Path.Combine(folder, "none")));
        await Should.ThrowAsync<ArgumentException>(() => UploadAsync(hub, filter: _ => false));
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub, to: "no name"))).Reason.ShouldBe(HubError.InvalidName);
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub, to: "new"))).Message.ShouldContain("owner/new");
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub, new() { Revision = "../main" }))).Reason.ShouldBe(HubError.InvalidName);
        (await Should.ThrowAsync<HubException>(() => UploadAsync(hub, token: ""))).Reason.ShouldBe(HubError.Unauthorized);
        hub.Requests.ShouldBeEmpty();
    }

    private async Task<HubCommit> UploadAsync(UploadHub hub, HubUploadOptions? options = null, Func<string, bool>? filter = null, string? from = null, string to = "org/new", string token = "secret", Func<HttpRequestMessage, HttpResponseMessage?>? answer = null, IProgress<HubProgress>? progress = null)
    {
        using var client = new HubClient(new HubOptions { Endpoint = hub.Address, Token = token, Offline = false, Handler = new Handler(hub, answer: answer), Progress = progress, TimeProvider = new ImmediateClock(), Timeout = ImmediateClock.Silence, CacheFolder = folder });
        return await client.UploadFolderAsync(to, from ?? folder, options, filter);
    }

    private sealed class Reports(List<HubProgress> reports) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => reports.Add(value);
    }

    private sealed class Cut : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("Connection reset.");
    }

    private sealed class Handler(UploadHub hub, TimeSpan pause = default, Func<HttpRequestMessage, HttpResponseMessage?>? answer = null) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (answer?.Invoke(request) is { } other) return other;
            var (status, body, etag) = hub.Answer(request.Method.Method, request.RequestUri!, request.Headers.Authorization?.ToString(), await ReadAsync(request.Content!, cancellationToken));
            var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body) };
            if (etag is not null) response.Headers.TryAddWithoutValidation("ETag", etag);
            return response;
        }

        private async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
        {
            if (pause == default) return await content.ReadAsByteArrayAsync(cancellationToken);
            using var slow = new Slow(pause);
            await content.CopyToAsync(slow, cancellationToken);
            return slow.ToArray();
        }

        private sealed class Slow(TimeSpan pause) : MemoryStream
        {
            public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
            {
                await Task.Delay(pause, cancellationToken);
                await base.WriteAsync(buffer, cancellationToken);
            }
        }
    }
}
