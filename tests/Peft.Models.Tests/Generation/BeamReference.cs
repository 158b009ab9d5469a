namespace Peft.Models.Tests;

/// <summary>
/// Beam search as transformers defines it: as many places for running and for finished texts as beams, filled with a score of −10⁹ at first, and
/// no text ever taken out but by a better one.
/// </summary>
internal static class BeamReference
{
    private const double None = -1e9;

    private sealed record Place(int[] Tokens, double Score, bool Finished = false);

    public static List<(int[] Tokens, double Score)> Search(
        Func<IReadOnlyList<int>, double[]> next, int beams, int limit, int[] ends, double penalty, EarlyStopping stopping)
    {
        var running = Enumerable.Range(0, beams).Select(i => new Place([], i == 0 ? 0 : None)).ToList();
        var done = Enumerable.Range(0, beams).Select(_ => new Place([], None)).ToList();
        var improvable = true;
        for (var length = 1; length <= limit; length++)
        {
            var best = running
                .SelectMany(place => next(place.Tokens).Select((log, token) => new Place([.. place.Tokens, token], place.Score + log)))
                .OrderByDescending(place => place.Score).Take(Math.Max(2, 1 + ends.Length) * beams).ToList();
            bool Hits(Place place) => length == limit || ends.Contains(place.Tokens[^1]);
            running = [.. best.OrderByDescending(place => place.Score + (Hits(place) ? None : 0)).Take(beams)];
            var closed = (stopping == EarlyStopping.WhenFull && done.All(place => place.Finished)) || !improvable;
            var ended = best.Where((place, rank) => Hits(place) && rank < beams && !closed)
                .Select(place => place with { Score = place.Score / Math.Pow(length, penalty), Finished = true });
            done = [.. done.Concat(ended).OrderByDescending(place => place.Score).Take(beams)];

            var atBest = running[0].Score / Math.Pow(stopping == EarlyStopping.Never && penalty > 0 ? limit : length, penalty);
            improvable &= done.Any(place => atBest > (place.Finished ? done.Min(each => each.Score) : None));
            if (!improvable || best.All(Hits) || (stopping == EarlyStopping.WhenFull && done.All(place => place.Finished))) break;
        }
        return [.. done.Where(place => place.Finished).Select(place => (place.Tokens, place.Score))];
    }
}
