namespace Peft.Core.Tests.Training;

/// <summary>Sizes of micro-batches, from memory that is made up: 64 rows of 100 positions, beside a megabyte of other memory, below two megabytes.</summary>
public class MemoryDivisionTests
{
    private const long Before = 1_000_000;

    [Fact]
    public void Sizes_grow_to_the_whole_batch_if_it_fits()
        => Rows(new() { Bound = 2 * Before }, positions => 10 * positions).ShouldBe([1, 1, 2, 4, 8, 16, 32, 64, 64]);

    // 17 rows take 85% of the memory below the bound: four micro-batches of 16 are the fewest equal ones.
    [Fact]
    public void Sizes_stop_growing_before_the_bound()
    {
        var division = new MemoryDivision { Bound = 2 * Before };
        Rows(division, positions => 500 * positions).ShouldBe([1, 1, 2, 4, 8, 16, 16, 16, 16]);
        division.Settled.ShouldBeTrue();
        division.Positions.ShouldBe(1700);
        division.Parts(positions: 12_800, rows: 64).ShouldBe(8);   // longer rows: 8 at a time
        division.Parts(positions: 640, rows: 64).ShouldBe(1);
        division.Parts(positions: 6400, rows: 2).ShouldBe(2);      // rows that are too long run alone
        (division.Fits(1700), division.Fits(1701)).ShouldBe((true, false));
    }

    [Fact]
    public void Sizes_shrink_where_a_prediction_was_too_low()
    {
        var division = new MemoryDivision { Bound = 2 * Before };
        Rows(division, positions => 50 * positions + positions * positions).ShouldBe([1, 1, 2, 4, 8, 10, 5, 5, 5]);   // attention, for instance
        division.Positions.ShouldBe(500);
    }

    [Fact]
    public void Memory_that_the_first_step_allocates_to_stay_is_not_counted_for_rows()
    {
        var division = new MemoryDivision { Bound = 2 * Before };
        division.RecordWithin(Before / 2, Before, 100, undivided: false);
        division.Positions.ShouldBeNull();
        division.RecordWithin(Before, Before + 1000, 100, undivided: false);
        division.Positions.ShouldBe(200);
    }

    [Fact]
    public void A_decision_that_a_checkpoint_holds_is_kept()
    {
        var division = new MemoryDivision { Bound = 2 * Before, Positions = 300, Settled = true };
        Rows(division, positions => positions).ShouldAllBe(rows => rows == 3);
    }

    // Rows of the largest micro-batch in each of nine steps.
    private static List<long> Rows(MemoryDivision division, Func<long, long> memory)
    {
        var sizes = new List<long>();
        for (var step = 0; step < 9; step++)
        {
            var parts = division.Parts(6400, 64);
            var rows = (64 + parts - 1) / parts;
            sizes.Add(rows);
            var peak = Before + memory(rows * 100);
            if (peak > division.Bound) division.RecordExceeded(rows * 100);
            else division.RecordWithin(Before, peak, rows * 100, parts == 1);
        }
        return sizes;
    }
}
