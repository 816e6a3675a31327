using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's arithmetic on the values of a template, with its error messages.</summary>
internal static class PythonOperators
{
    public static object Add(object left, object right, TemplateRun run)
    {
        switch (left, right)
        {
            case (TemplateText a, TemplateText b):
                if (a.IsMarkup || b.IsMarkup)
                    return new TemplateTextBuilder(run.Budget)
                        .Append(HtmlText.Escape(a, run.Budget)).Append(HtmlText.Escape(b, run.Budget)).ToText().AsMarkup(true);
                return b.Value.Length == 0 ? a : a.Value.Length == 0 ? b : new TemplateTextBuilder(run.Budget).Append(a).Append(b).ToText();
            case (ListValue a, ListValue b):
                return a.With(Join(a, b, run.Budget));
            case (TupleValue a, TupleValue b):
                return a.With(Join(a, b, run.Budget));
        }
        RefuseUndefined(left, right);
        if (PythonType.IsNumber(left) && PythonType.IsNumber(right))
            return TryIntegers(left, right, out BigInteger a, out BigInteger b) ? Check(a + b, run) : ToDouble(left) + ToDouble(right);
        if (left is TemplateText or SequenceValue)
        {
            string type = left is TemplateText ? "str" : PythonType.NameOf(left);
            throw JinjaException.Type($"can only concatenate {type} (not \"{PythonType.NameOf(right)}\") to {type}");
        }
        throw Unsupported("+", left, right);
    }

    public static object Subtract(object left, object right, TemplateRun run)
    {
        RequireNumbers("-", left, right);
        return TryIntegers(left, right, out BigInteger a, out BigInteger b) ? Check(a - b, run) : ToDouble(left) - ToDouble(right);
    }

    public static object Multiply(object left, object right, TemplateRun run)
    {
        RefuseUndefined(left, right);
        if (PythonType.IsNumber(left) && PythonType.IsNumber(right))
            return TryIntegers(left, right, out BigInteger a, out BigInteger b) ? Check(a * b, run) : ToDouble(left) * ToDouble(right);
        (object repeated, object count) = left is TemplateText or SequenceValue ? (left, right) : (right, left);
        if (repeated is not (TemplateText or SequenceValue))
            throw Unsupported("*", left, right);
        if (!PythonType.TryInteger(count, out BigInteger times))
            throw JinjaException.Type($"can't multiply sequence by non-int of type '{PythonType.NameOf(count)}'");
        return Repeat(repeated, times, run.Budget);
    }

    public static object Divide(object left, object right)
    {
        RequireNumbers("/", left, right);
        bool areIntegers = TryIntegers(left, right, out BigInteger a, out BigInteger b);
        if (areIntegers ? b.IsZero : ToDouble(right) == 0)
            throw new JinjaException(JinjaError.ZeroDivision, areIntegers ? "division by zero" : "float division by zero");
        return areIntegers ? PythonNumbers.Quotient(a, b) : ToDouble(left) / ToDouble(right);
    }

    public static object FloorDivide(object left, object right, TemplateRun run)
    {
        RequireNumbers("//", left, right);
        if (TryIntegers(left, right, out BigInteger a, out BigInteger b))
        {
            if (b.IsZero)
                throw new JinjaException(JinjaError.ZeroDivision, "integer division or modulo by zero");
            BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
            return Check(!remainder.IsZero && remainder.Sign != b.Sign ? quotient - 1 : quotient, run);
        }
        return DivideFloats(ToDouble(left), ToDouble(right), "float floor division by zero").Quotient;
    }

    public static object Modulo(object left, object right, TemplateRun run)
    {
        if (left is TemplateText format)
            return PercentFormat.Format(format, right, run);
        RequireNumbers("%", left, right);
        if (TryIntegers(left, right, out BigInteger a, out BigInteger b))
        {
            if (b.IsZero)
                throw new JinjaException(JinjaError.ZeroDivision, "integer modulo by zero");
            BigInteger remainder = BigInteger.Remainder(a, b);
            return !remainder.IsZero && remainder.Sign != b.Sign ? remainder + b : remainder;
        }
        return DivideFloats(ToDouble(left), ToDouble(right), "float modulo").Remainder;
    }

    public static object Power(object left, object right, TemplateRun run)
    {
        RequireNumbers("** or pow()", left, right);
        if (TryIntegers(left, right, out BigInteger a, out BigInteger b) && b.Sign >= 0)
        {
            if (BigInteger.Abs(a) <= 1)
                return a.Sign >= 0 || b.IsEven ? (b.IsZero ? BigInteger.One : BigInteger.Abs(a)) : a;
            if (b * (a.GetBitLength() - 1) > run.Limits.MaxIntegerBits)
                throw TooLarge(run);
            return Check(BigInteger.Pow(a, (int)b), run);
        }
        double x = ToDouble(left), y = ToDouble(right);
        if (x == 0 && y < 0)
            throw new JinjaException(JinjaError.ZeroDivision, "0.0 cannot be raised to a negative power");
        if (x < 0 && double.IsFinite(x) && double.IsFinite(y) && y != Math.Floor(y))
            throw new JinjaException(JinjaError.Runtime, "a negative number has no real power that is not whole; complex numbers are not implemented");
        double result = Math.Pow(x, y);
        return double.IsInfinity(result) && double.IsFinite(x) && double.IsFinite(y)
            ? throw new JinjaException(JinjaError.Overflow, "(34, 'Numerical result out of range')")
            : result;
    }

    public static object Negate(object value) => value switch
    {
        double d => -d,
        UndefinedValue undefined => throw undefined.Fail(),
        _ => PythonType.TryInteger(value, out BigInteger integer)
            ? -integer
            : throw JinjaException.Type($"bad operand type for unary -: '{PythonType.NameOf(value)}'"),
    };

    public static object Plus(object value) => value switch
    {
        double => value,
        UndefinedValue undefined => throw undefined.Fail(),
        _ => PythonType.TryInteger(value, out BigInteger integer)
            ? integer
            : throw JinjaException.Type($"bad operand type for unary +: '{PythonType.NameOf(value)}'"),
    };

    public static double ToDouble(object number)
    {
        if (!PythonType.TryInteger(number, out BigInteger integer))
            return (double)number;
        double value = (double)integer;
        return double.IsInfinity(value) ? throw new JinjaException(JinjaError.Overflow, "int too large to convert to float") : value;
    }

    private static object Repeat(object repeated, BigInteger times, TemplateBudget budget)
    {
        long count = (long)BigInteger.Clamp(times, 0, long.MaxValue);
        if (repeated is TemplateText text)
            return new TemplateTextBuilder(budget).AppendRepeated(text, count).ToText().AsMarkup(text.IsMarkup);
        SequenceValue sequence = (SequenceValue)repeated;
        if (sequence.Items.Count == 0 || count == 0)
            return sequence.With([]);
        budget.UseSteps(count > long.MaxValue / 4 / sequence.Items.Count ? long.MaxValue / 4 : count * sequence.Items.Count);
        List<object> items = new(checked((int)count * sequence.Items.Count));
        for (long i = 0; i < count; i++)
            items.AddRange(sequence.Items);
        return sequence.With(items);
    }

    private static object[] Join(SequenceValue left, SequenceValue right, TemplateBudget budget)
    {
        budget.UseSteps(left.Items.Count + right.Items.Count);
        return [.. left.Items, .. right.Items];
    }

    // Python's divmod of floats: the remainder has the sign of the divisor.
    private static (double Quotient, double Remainder) DivideFloats(double a, double b, string errorAtZero)
    {
        if (b == 0)
            throw new JinjaException(JinjaError.ZeroDivision, errorAtZero);
        double remainder = a % b, quotient = (a - remainder) / b;
        if (remainder != 0 && b < 0 != remainder < 0)
        {
            remainder += b;
            quotient -= 1;
        }
        else if (remainder == 0)
        {
            remainder = Math.CopySign(0, b);
        }
        double floor = Math.Floor(quotient);
        if (quotient - floor > 0.5)
            floor += 1;
        return (quotient == 0 ? Math.CopySign(0, a / b) : floor, remainder);
    }

    private static bool TryIntegers(object left, object right, out BigInteger a, out BigInteger b)
    {
        bool isInteger = PythonType.TryInteger(left, out a);
        return PythonType.TryInteger(right, out b) && isInteger;
    }

    private static BigInteger Check(BigInteger integer, TemplateRun run) => integer.GetBitLength() > run.Limits.MaxIntegerBits ? throw TooLarge(run) : integer;

    private static JinjaException TooLarge(TemplateRun run) =>
        new(JinjaError.Budget, $"the template computed a number of more than {run.Limits.MaxIntegerBits} bits");

    private static void RequireNumbers(string symbol, object left, object right)
    {
        RefuseUndefined(left, right);
        if (!PythonType.IsNumber(left) || !PythonType.IsNumber(right))
            throw Unsupported(symbol, left, right);
    }

    private static void RefuseUndefined(object left, object right)
    {
        if ((left as UndefinedValue ?? right as UndefinedValue) is { } undefined)
            throw undefined.Fail();
    }

    private static JinjaException Unsupported(string symbol, object left, object right) =>
        JinjaException.Type($"unsupported operand type(s) for {symbol}: '{PythonType.NameOf(left)}' and '{PythonType.NameOf(right)}'");
}
