namespace Peft.Models;

/// <summary>
/// The requests that cannot share forward passes, such as those with virtual tokens or several adapters. Each has its own decoding loop and KV cache. Not thread-safe.
/// </summary>
internal sealed class SoloRequests(CausalLM model) : IDisposable
{
    private readonly List<(ServedRequest Request, IEnumerator<int> Tokens)> rows = [];

    /// <summary>The requests.</summary>
    public IEnumerable<ServedRequest> Rows => rows.Select(row => row.Request);

    /// <summary>Number of requests.</summary>
    public int Count => rows.Count;

    /// <summary>Maximum total number of positions of their caches.</summary>
    public long Positions => Rows.Sum(request => (long)request.Prompt.Count + RowBatch.MaxNewTokens(request));

    /// <summary>Adds a request. The next step processes its prompt.</summary>
    /// <exception cref="ArgumentException">The prompt is invalid.</exception>
    public void Join(ServedRequest request)
    {
        request.Begin(RowBatch.MaxNewTokens(request));
        rows.Add((request, TextGeneration.Tokens(model, request.Prompt, request.Settings, request.Scope, request.Cancellation).GetEnumerator()));
    }

    /// <summary>Adds a token to each request. A request that fails ends with its exception.</summary>
    /// <returns>Number of tokens.</returns>
    public int Step()
    {
        var added = 0;
        foreach (var (request, tokens) in rows)
        {
            try
            {
                if (tokens.MoveNext())
                {
                    request.Take(tokens.Current);
                    added++;
                }
                else request.End();
            }
            catch (Exception error)
            {
                request.End(error);
            }
        }
        return added;
    }

    /// <summary>Removes the requests that have ended, and returns them.</summary>
    public IReadOnlyList<ServedRequest> Leave()
    {
        ServedRequest[] ended = [.. Rows.Where(request => request.HasEnded)];
        foreach (var (_, tokens) in rows.Where(row => row.Request.HasEnded)) tokens.Dispose();
        rows.RemoveAll(row => row.Request.HasEnded);
        return ended;
    }

    /// <summary>Ends the decoding loops without ending the requests.</summary>
    public void Dispose()
    {
        var loops = rows.ConvertAll(row => row.Tokens);
        rows.Clear();
        foreach (var tokens in loops) tokens.Dispose();
    }
}
